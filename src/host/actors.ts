import { ACTOR_BLOCK } from './actor-blocks.js';
import type { DataDirectory } from './data-directory.js';

/** Actor numbers nobody has had before: from durable blocks, or, with nothing on disk, just counted. */
export class Actors {
  private readonly directory: DataDirectory | undefined;
  private at = 1;
  private end = 0;

  constructor(directory: DataDirectory | undefined) {
    this.directory = directory;
  }

  next(): number {
    if (this.directory === undefined) return this.at++;
    if (this.at >= this.end) {
      this.at = this.directory.reserveActors();
      this.end = this.at + ACTOR_BLOCK;
    }
    return this.at++;
  }
}
