// Words and lines of a suggestion that were taken. The stable API of VS Code tells nothing of them,
// so they are seen in the text: more than one character of the suggestion came at once.

export interface Offer {
  readonly id: string;
  /** What the suggestion adds, and where. */
  readonly text: string;
  readonly at: number;
}

export interface Insertion {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

export interface Taken {
  readonly id: string;
  /** From the beginning of the suggestion as it was first offered, in UTF-16. */
  readonly length: number;
}

/** What an editor types by itself when the first of the two is typed. */
const CLOSED_BY_ITSELF = new Set(['()', '[]', '{}', '<>', '""', "''", '``']);
const MOST_REMEMBERED = 50;

export class PartialAccepts {
  private offers: readonly Offer[] = [];
  private readonly whole = new Map<string, string>();

  /** These are shown now, at the present text. */
  offered(offers: readonly Offer[]): void {
    this.offers = offers;
    for (const { id, text } of offers) {
      if (!this.whole.has(id)) this.whole.set(id, text);
    }
    for (const id of [...this.whole.keys()].slice(0, -MOST_REMEMBERED)) this.whole.delete(id);
  }

  /** Note a change of the text; return what was taken by it. */
  changed(change: Insertion): Taken | undefined {
    const { text } = change;
    const left = this.offers.filter(
      (offer) =>
        change.start === offer.at &&
        change.end === offer.at &&
        offer.text.startsWith(text) &&
        offer.text.length > text.length,
    );
    this.offers = left.map((offer) => ({
      ...offer,
      text: offer.text.slice(text.length),
      at: offer.at + text.length,
    }));
    const first = this.offers[0];
    if (first === undefined || text.length < 2 || CLOSED_BY_ITSELF.has(text)) return undefined;
    const whole = this.whole.get(first.id) ?? '';
    return { id: first.id, length: whole.length - first.text.length };
  }
}
