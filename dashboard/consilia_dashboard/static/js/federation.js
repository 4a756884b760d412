// What this page knows of its federation: a fold of the updates it received.

export class Federation {
  constructor(view) {
    this.view = view;
    this.run = view.status.run ?? 0;
    this.rounds = new Map();
    this.events = [];
  }

  apply(update) {
    if (update.reset) {
      this.rounds = new Map();
      this.events = [];
    }
    if (update.view) this.view = update.view;
    this.begin(this.view.status.run ?? 0);
    for (const record of update.rounds) {
      this.begin(record.run);
      if (record.run === this.run) this.rounds.set(record.round, record);
    }
    this.events.push(...update.events);
    if (this.events.length > 100) this.events.splice(0, this.events.length - 100);
  }

  // A newer run has a chart of its own.
  begin(run) {
    if (run <= this.run) return;
    this.run = run;
    this.rounds = new Map();
  }

  // Records in the order of rounds. They arrive so, except when a page comes back or a round is scored again.
  get ordered() {
    return [...this.rounds.values()].sort((a, b) => a.round - b.round);
  }

  get hospitals() {
    return this.view.hospitals.map((hospital) => hospital.name).sort();
  }
}
