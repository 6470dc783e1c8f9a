/**
 * A pair of threads that exchange numbered messages; the far one sends each back. The near side is
 * told of every reply and may send from there; what it sent is made visible after each batch.
 */
export interface Link {
  /** Begins to hand over replies. */
  start(onReply: (id: number) => void): void;
  send(id: number): void;
  /** Makes what was sent outside of a reply visible. */
  flush(): void;
  close(): Promise<void>;
}
