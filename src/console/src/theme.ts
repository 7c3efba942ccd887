/** Dark or light: as the device says, or as the reader chose. */

import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";

const NAME = "roomlog.theme";
const NEXT: Readonly<Record<Theme, Theme>> = { system: "light", light: "dark", dark: "system" };
const listeners = new Set<() => void>();

function kept(): Theme {
  const value = localStorage.getItem(NAME);
  return value === "light" || value === "dark" ? value : "system";
}

/** Show the page as was chosen; call it before anything is shown. */
export function applyTheme(): void {
  const theme = kept();
  const { dataset } = document.documentElement;
  if (theme === "system") {
    delete dataset["theme"];
  } else {
    dataset["theme"] = theme;
  }
}

export function chooseNextTheme(): void {
  localStorage.setItem(NAME, NEXT[kept()]);
  applyTheme();
  for (const listener of [...listeners]) {
    listener();
  }
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, kept);
}
