import { accessSync, closeSync, constants, openSync, readSync } from 'node:fs';

/**
 * What must hold of an environment's files before lmdb-js 3.5.6 may see them: an open that fails
 * frees the same memory twice and ends the process (env.cpp: `delete extended_env` and then
 * `closeEnv`, which deletes it again). So the failures that can be foreseen are found here.
 *
 * The file begins with two meta pages, at 0 and at the page size. Little-endian, of each:
 *
 *   bytes 0x12  page flags, 2 bytes; 0x08 is a meta page
 *         0x18  0xbeefc0de
 *         0x1c  data version, low 2 bytes
 *         0x30  page size (of the first page)
 */
const HEADER_BYTES = 0x40;
const FLAGS_AT = 0x12;
const META_PAGE = 0x08;
const MAGIC_AT = 0x18;
const MAGIC = 0xbeefc0de;
const VERSION_AT = 0x1c;
const DATA_VERSION = 2;
const PAGE_SIZE_AT = 0x30;
const MAX_PAGE_BYTES = 64 << 10;

/** Why LMDB would not open this data file; undefined when it would. Throws when it cannot be read. */
export function headerFault(dataFile: string): string | undefined {
  accessSync(dataFile, constants.R_OK | constants.W_OK);
  const fd = openSync(dataFile, 'r');
  try {
    const first = metaPage(fd, 0);
    if (typeof first === 'string') return first;
    const pageBytes = first.getUint32(PAGE_SIZE_AT, true);
    if (pageBytes < 256 || pageBytes > MAX_PAGE_BYTES) return `its page size is ${pageBytes}`;
    const second = metaPage(fd, pageBytes);
    return typeof second === 'string' ? second : undefined;
  } finally {
    closeSync(fd);
  }
}

function metaPage(fd: number, position: number): DataView | string {
  const bytes = new Uint8Array(HEADER_BYTES);
  if (readSync(fd, bytes, 0, HEADER_BYTES, position) < HEADER_BYTES)
    return `it ends before byte ${position + 64}`;
  const view = new DataView(bytes.buffer);
  if ((view.getUint16(FLAGS_AT, true) & META_PAGE) === 0 || view.getUint32(MAGIC_AT, true) !== MAGIC) {
    return `no LMDB header at byte ${position}`;
  }
  const version = view.getUint16(VERSION_AT, true);
  return version === DATA_VERSION ? view : `its LMDB data version is ${version}, not ${DATA_VERSION}`;
}
