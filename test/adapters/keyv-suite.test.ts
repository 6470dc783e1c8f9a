import keyvTestSuite, { keyvIteratorTests } from '@keyv/test-suite';
import { Keyv } from 'keyv';
import * as vitest from 'vitest';
import { KeyvRinglet, sharedStore } from './support.js';

/** The suite that Keyv's own adapters pass, whole. */
const shared = sharedStore();
const store = (): InstanceType<typeof KeyvRinglet> => new KeyvRinglet({ store: shared.store });

keyvTestSuite(vitest, Keyv, store);
keyvIteratorTests(vitest, Keyv, store);
