// The live stream: open while the page is seen, closed while it is hidden, resumed where it ended.

const RETRY_MILLISECONDS = 2000;

export class Updates {
  // onUpdate(update); onLost(sentence or "" when it is back)
  constructor(url, onUpdate, onLost) {
    this.url = url;
    this.onUpdate = onUpdate;
    this.onLost = onLost;
    this.lastId = "";
    this.source = null;
    this.since = null;
    this.timer = null;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
    window.addEventListener("pagehide", () => this.close());
    window.addEventListener("pageshow", (event) => event.persisted && this.open());
    if (!document.hidden) this.open();
  }

  open() {
    this.close();
    this.source = new EventSource(`${this.url}?after=${encodeURIComponent(this.lastId)}`);
    this.source.addEventListener("update", (event) => {
      this.lastId = event.lastEventId;
      this.onUpdate(JSON.parse(event.data));
    });
    this.source.addEventListener("open", () => this.found());
    this.source.addEventListener("error", () => this.miss());
  }

  close() {
    clearTimeout(this.timer);
    if (this.source) this.source.close();
    this.source = null;
  }

  found() {
    if (this.since === null) return;
    this.since = null;
    this.onLost("");
  }

  async miss() {
    this.since ??= new Date();
    // A browser retries a broken stream by itself, but not one that was answered with an error, or refused.
    this.close();
    this.timer = setTimeout(() => this.open(), RETRY_MILLISECONDS);
    this.onLost(await this.why());
  }

  async why() {
    const since = this.since.toLocaleTimeString("en-GB");
    try {
      const answer = await fetch("/federations", { headers: { Accept: "application/json" } });
      if (answer.ok) return `The live stream broke off at ${since}; retrying.`;
      return `${(await answer.json()).error} (${since})`;
    } catch {
      return `The dashboard does not answer since ${since}; retrying.`;
    }
  }
}
