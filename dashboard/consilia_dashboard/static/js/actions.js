// Start, Stop and Rounds. Each shows what it asked for at once, and what was answered when it is.

import { $, attribute, text } from "./dom.js";
import { counted } from "./format.js";

const csrf = () => $("entry").dataset.csrf;
const off = (button) => button.getAttribute("aria-disabled") === "true";

export class Actions {
  constructor(url, redraw) {
    this.url = url;
    this.redraw = redraw;
    this.pending = false;
    this.target = Number($("rounds").value);
    $("rounds").addEventListener("input", () => {
      this.say("");
      redraw();
    });
    $("set").addEventListener("click", () => this.set());
    $("controls").addEventListener("submit", (event) => {
      event.preventDefault();
      // Enter in the field sets the target; only the button itself starts.
      if (event.submitter === $("start") && document.activeElement !== $("rounds")) off($("start")) || this.start();
      else this.set();
    });
    $("stop").addEventListener("click", () => off($("stop")) || $("stop-dialog").showModal());
    $("stop-dialog").addEventListener("close", () => $("stop-dialog").returnValue === "yes" && this.stop());
  }

  get typed() {
    return $("rounds").value.trim();
  }

  get edited() {
    return this.typed !== String(this.target);
  }

  start() {
    if (!$("rounds").reportValidity()) return;
    this.post("start", "Starting…", this.edited ? { rounds: this.typed } : {});
  }

  stop() {
    $("stop-dialog").returnValue = "";
    this.post("stop", "Stopping after this round…");
  }

  set() {
    if (this.edited && !this.pending && $("rounds").reportValidity()) this.post("rounds", `Setting the target to ${counted(this.typed, "round")}…`, { rounds: this.typed });
  }

  async post(action, asked, fields = {}) {
    this.pending = true;
    this.say(asked);
    this.redraw();
    try {
      const answer = await fetch(`${this.url}/${action}`, {
        method: "POST",
        headers: { "X-CSRF-Token": csrf(), Accept: "application/json" },
        body: new URLSearchParams(fields),
      });
      const { message, error } = await answer.json();
      this.say(message ?? error, !answer.ok);
      if (answer.ok && fields.rounds) this.target = Number(fields.rounds);
    } catch {
      this.say("The dashboard does not answer: nothing was changed.", true);
    }
    this.pending = false;
    this.redraw();
  }

  say(sentence, trouble = false) {
    attribute($("answer"), "data-tone", trouble ? "trouble" : null);
    text($("answer"), sentence);
  }

  draw(view) {
    const target = view.wanted;
    if (target !== this.target) {
      if (!this.edited && document.activeElement !== $("rounds")) $("rounds").value = target;
      this.target = target;
    }
    attribute($("start"), "aria-disabled", !view.start.possible || this.pending ? "true" : null);
    attribute($("stop"), "aria-disabled", !view.stop.possible || this.pending ? "true" : null);
    attribute($("set"), "aria-disabled", !this.edited || this.pending ? "true" : null);
    text($("plan"), this.plan(view));
    // An answer stays until what it announced has happened.
    if (view.stage !== this.stage && !this.pending && this.stage !== undefined) {
      if (["Idle", "Training", "Complete"].includes(view.stage)) this.say("");
    }
    this.stage = view.stage;
  }

  plan(view) {
    const target = this.typed || view.wanted;
    if (view.start.possible) return `${view.start.does}: ${view.task === "Statistics" ? "statistics" : counted(target, "round")}, ${view.start.with}. ${view.start.lacks}`.trim();
    if (view.stage === "Stopping") return "Start is possible again once this round has committed.";
    if (!view.stop.possible) return "";
    const ends = ["Training", "Stalled"].includes(view.stage) ? "Stop lets the round in progress commit." : "Stop brings it back to Idle.";
    return `${view.start.with}. ${ends}`;
  }
}
