/** The adapters with the libraries that they are for, by the names under which users import them. */
import session from 'express-session';
import { Keyv } from 'keyv';
import { open } from 'ringlet';
import { KeyvRinglet } from 'ringlet/keyv';
import { RingletSessionStore } from 'ringlet/session';
import ringletDriver from 'ringlet/unstorage';
import { createStorage } from 'unstorage';

await using store = await open({ engine: 'memory', nodes: 1, memoryMiB: 32 });
const keyv = new Keyv<{ n: number }>({ store: new KeyvRinglet({ store }) });
await keyv.set('k', { n: 1 });
const storage = createStorage<{ n: number }>({ driver: ringletDriver({ store }) });
await storage.setItem('k', { n: 2 });
const middleware = session({
  store: new RingletSessionStore({ store }),
  secret: 's',
  resave: false,
  saveUninitialized: false,
});

const found = [(await keyv.get('k'))?.n, (await storage.getItem('k'))?.n, typeof middleware];
if (found.join() !== '1,2,function') throw new Error(`the adapters returned ${found.join()}`);
console.log(`adapters passed on Node ${process.versions.node}`);
