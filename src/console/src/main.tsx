import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import "./styles/tokens.css";
import "./styles/page.css";
import "./styles/messages.css";
import "./styles/panels.css";
import "./styles/timeline.css";
import { applyTheme } from "./theme";

applyTheme();
const place = document.getElementById("page");
if (place !== null) {
  createRoot(place).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
