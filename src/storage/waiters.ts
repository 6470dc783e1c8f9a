/** Acknowledgements that wait until a position is reached; positions only grow, so a queue serves. */
export class Waiters {
  private sequences: number[] = [];
  private tokens: number[] = [];
  private head = 0;

  get empty(): boolean {
    return this.head === this.sequences.length;
  }
  /** The position that the last waiter needs. */
  get last(): number {
    return this.sequences[this.sequences.length - 1] ?? 0;
  }

  add(sequence: number, token: number): void {
    this.sequences.push(sequence);
    this.tokens.push(token);
  }

  /** Releases everybody at or below the position, in order. */
  release(position: number, released: (token: number) => void): void {
    while (this.head < this.sequences.length && this.sequences[this.head]! <= position) {
      released(this.tokens[this.head++]!);
    }
    if (this.head === this.sequences.length) {
      this.sequences = [];
      this.tokens = [];
      this.head = 0;
    } else if (this.head > 4096) {
      this.sequences = this.sequences.slice(this.head);
      this.tokens = this.tokens.slice(this.head);
      this.head = 0;
    }
  }
}
