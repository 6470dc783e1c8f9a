// A cache that outlives the program, behind Keyv. Run it twice: the second run finds what the first has kept.
//   npm install ringlet keyv && node keyv.js
import { Keyv } from 'keyv';
import { open } from 'ringlet';
import { KeyvRinglet } from 'ringlet/keyv';

const store = await open({ data: './example-data', nodes: 3, durability: 'committed' });
// One adapter for each Keyv; they share the store and do not see each other.
const users = new Keyv({ store: new KeyvRinglet({ store }), namespace: 'users' });
const pages = new Keyv({ store: new KeyvRinglet({ store }), namespace: 'pages', ttl: 60_000 });

console.log('from the last run:', await users.get('ada'));
await users.set('ada', { name: 'Ada Lovelace', seen: new Date().toISOString() });
await pages.set('/', '<h1>kept for a minute</h1>');
await pages.clear();
console.log('after clearing the pages:', await pages.get('/'), (await users.get('ada')).name);
await store.close();
