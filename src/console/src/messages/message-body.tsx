import type { RoomMessage } from "roomlog-js";
import { byteSize } from "../format";
import { ServerHtml } from "../html";
import { Icon } from "../parts/icon";
import { IncidentCard } from "./incident-card";

/** What a message says, by its type. */
export function MessageBody(props: { readonly message: RoomMessage }): React.ReactNode {
  const { message } = props;
  if (message.deleted_at !== null) {
    return <p className="tombstone">This message was deleted.</p>;
  }
  switch (message.message_type) {
    case "image_ref":
      return (
        <>
          <Said message={message} />
          <ReferenceLink message={message} kind="image" />
        </>
      );
    case "file_ref":
      return (
        <>
          <Said message={message} />
          <ReferenceLink message={message} kind="file" />
        </>
      );
    case "incident_data":
      return (
        <>
          <Said message={message} />
          <IncidentCard metadata={message.metadata} />
        </>
      );
    default:
      return <Said message={message} />;
  }
}

/** The text: as the server rendered it, or as it was typed where the server has not yet. */
function Said(props: { readonly message: RoomMessage }): React.ReactNode {
  const { message } = props;
  const { content, content_html, logged, pending } = message;
  if (content === "") {
    return null;
  }
  const isTyped = !logged || pending.some(({ command }) => command.type === "edit");
  return isTyped ? <p className="typed">{content}</p> : <ServerHtml html={content_html} />;
}

interface Reference {
  readonly url?: unknown;
  readonly alt?: unknown;
  readonly filename?: unknown;
  readonly content_type?: unknown;
  readonly size?: unknown;
  readonly width?: unknown;
  readonly height?: unknown;
}

/** A link to what lies elsewhere: the page itself loads nothing from there. */
function ReferenceLink(props: {
  readonly message: RoomMessage;
  readonly kind: "image" | "file";
}): React.ReactNode {
  const { kind, message } = props;
  const { url, alt, filename, content_type, size, width, height } = message.metadata as Reference;
  if (typeof url !== "string" || !url.startsWith("https://")) {
    return null;
  }
  const name = [alt, filename].find((one) => typeof one === "string" && one !== "");
  const facts = [
    typeof content_type === "string" ? content_type : "",
    typeof width === "number" && typeof height === "number" ? `${width} × ${height}` : "",
    typeof size === "number" ? byteSize(size) : "",
    hostOf(url),
  ];
  return (
    <a className="reference" href={url} target="_blank" rel="noopener noreferrer nofollow">
      <Icon name={kind} />
      <span className="what">{typeof name === "string" ? name : url}</span>
      <span className="facts">{facts.filter((fact) => fact !== "").join(" · ")}</span>
      <span className="visually-hidden"> ({kind}, opens in a new tab)</span>
    </a>
  );
}

function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return "";
  }
}
