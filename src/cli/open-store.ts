import { RingletError } from '../base/errors.js';
import type { HostStore } from '../client/api.js';
import type { Resolved } from '../config/resolve.js';
import { openOptions } from './store-options.js';

/** Opens the store that the settings describe. */
export async function openStore(resolved: Resolved): Promise<HostStore> {
  // Loaded only here: a command that finds a running store needs neither threads nor LMDB.
  const { open } = await import('../host/open.js');
  try {
    return await open(openOptions(resolved));
  } catch (error) {
    // What only the store can check (whether values fit into the memory) is wrong use all the same.
    if (!(error instanceof RingletError) || error.code !== 'BAD_REQUEST') throw error;
    throw new RingletError('USAGE', error.message, error.details, { cause: error });
  }
}
