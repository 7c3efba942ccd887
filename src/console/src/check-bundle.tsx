import { useId, useRef, useState } from "react";
import { type BundleVerdict, verifyBundle } from "roomlog-js";

/** Checks a bundle in this browser: the file goes nowhere, and nobody needs to be signed in. */
export function CheckBundle(): React.ReactNode {
  const [file, setFile] = useState<File | null>(null);
  const [key, setKey] = useState("");
  const [checkpoint, setCheckpoint] = useState("");
  const [said, setSaid] = useState<BundleVerdict | string | null>(null);
  const [events, setEvents] = useState<number | null>(null);
  const checking = useRef(0);
  const id = useId();

  // What is said is said of what stands in the fields: a check of something else counts no more.
  const begin = (): number => {
    setSaid(null);
    setEvents(null);
    checking.current += 1;
    return checking.current;
  };
  const submit = async (form: React.FormEvent): Promise<void> => {
    form.preventDefault();
    if (file === null) {
      return;
    }
    const mine = begin();
    setEvents(0);
    const found = await checked(file, key, checkpoint, (count) => {
      if (mine === checking.current) {
        setEvents(count);
      }
    });
    if (mine === checking.current) {
      setSaid(found);
      setEvents(null);
    }
  };
  return (
    <main className="sign-in">
      <form onSubmit={(form) => void submit(form)} aria-labelledby={`${id}-title`}>
        <h1 id={`${id}-title`}>Check a bundle</h1>
        <p className="quiet">
          A room in one file, made by <code>roomlog audit export</code>. It is checked in this
          browser and goes nowhere.
        </p>
        <label htmlFor={`${id}-file`}>File</label>
        <input
          id={`${id}-file`}
          type="file"
          accept=".html,text/html"
          onChange={(change) => {
            setFile(change.target.files?.[0] ?? null);
            begin();
          }}
        />
        <label htmlFor={`${id}-key`}>Public key that you know to be theirs (optional)</label>
        <textarea
          id={`${id}-key`}
          className="token"
          rows={2}
          spellCheck={false}
          value={key}
          onChange={(change) => {
            setKey(change.target.value);
            begin();
          }}
        />
        <label htmlFor={`${id}-held`}>Earlier checkpoint that you kept (optional)</label>
        <textarea
          id={`${id}-held`}
          className="token"
          rows={5}
          spellCheck={false}
          value={checkpoint}
          onChange={(change) => {
            setCheckpoint(change.target.value);
            begin();
          }}
        />
        <button type="submit" className="primary" disabled={file === null || events !== null}>
          {events === null ? "Check" : `Checking… ${events.toLocaleString("en")} events`}
        </button>
        <div role="status">{said !== null && <Said said={said} />}</div>
        <p className="quiet fine">
          <a href="#/">To the rooms</a>
        </p>
      </form>
    </main>
  );
}

async function checked(
  file: File,
  key: string,
  checkpoint: string,
  onProgress: (events: number) => void,
): Promise<BundleVerdict | string> {
  const keys = key.split("\n").filter((line) => line.trim() !== "");
  // What a text field leaves out at the end is part of a checkpoint.
  const against = checkpoint.trim() === "" ? {} : { against: `${checkpoint.trim()}\n` };
  try {
    return await verifyBundle(file, { keys, ...against, onProgress });
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function Said(props: { readonly said: BundleVerdict | string }): React.ReactNode {
  const { said } = props;
  if (typeof said === "string") {
    return <p className="error">It could not be checked: {said}</p>;
  }
  if (!said.ok) {
    const where = said.sequence === null ? "" : ` First bad event: ${said.sequence}.`;
    return (
      <p className="error">
        Not proved ({said.code}): {said.detail}.{where}
      </p>
    );
  }
  return (
    <>
      <p>
        <strong>Whole and unchanged.</strong> {said.events} events, {said.erased} of them erased,
        exported {said.exported_at}, signed with <code>{said.key}</code>
      </p>
      <h2>Proved</h2>
      <Lines lines={said.proved} />
      <h2>Not proved</h2>
      <Lines lines={said.not_proved} />
    </>
  );
}

function Lines(props: { readonly lines: readonly string[] }): React.ReactNode {
  return (
    <ul>
      {props.lines.map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  );
}
