import { stat } from 'node:fs/promises';
import { dataFileOf } from '../storage/data-files.js';

/** What of a virtual node's directory must stay where it is while a thread has it open. */
export interface Watched {
  readonly directory: string;
  readonly engineDirectory: string;
  readonly journalDirectory: string;
}

const UNKNOWN = 'unknown';

/** Which file each name stood for; undefined for a name that is gone. */
type Look = readonly (string | undefined)[];

/**
 * Notices that files are deleted, or others put in their places, under a thread that has them open:
 * neither LMDB nor a write would, both go on into what no name leads to any more.
 *
 * It asks for names only, without waiting, so that a disk that hangs holds up nobody.
 */
export class DirectoryWatch {
  private readonly paths: readonly string[];
  private known: Look | undefined;
  private looking = false;
  private life = 0;

  constructor({ directory, engineDirectory, journalDirectory }: Watched) {
    this.paths = [directory, dataFileOf(engineDirectory), journalDirectory];
  }

  /** A new thread has opened what is there now. */
  begin(): void {
    this.life++;
    this.known = undefined;
  }

  /** Looks once; the reason if something is gone since {@link begin}. */
  async look(): Promise<string | undefined> {
    if (this.looking) return undefined;
    this.looking = true;
    const { life } = this;
    const now = await Promise.all(this.paths.map(identityOf));
    this.looking = false;
    if (life !== this.life) return undefined;
    const known = (this.known ??= now);
    const at = now.findIndex(
      (identity, i) =>
        identity === undefined || (identity !== known[i] && identity !== UNKNOWN && known[i] !== UNKNOWN),
    );
    if (at < 0) return undefined;
    return `${this.paths[at]} was ${now[at] === undefined ? 'deleted' : 'replaced'} while it was in use`;
  }
}

async function identityOf(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path, { bigint: true });
    return `${dev}/${ino}`;
  } catch (error) {
    // Anything but an absence says nothing about what is there.
    const gone =
      error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
    return gone ? undefined : UNKNOWN;
  }
}
