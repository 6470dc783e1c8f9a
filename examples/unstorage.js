// Files of a web site in unstorage, with Ringlet below: strings, bytes, meta data, keys under a base.
//   npm install ringlet unstorage && node unstorage.js
import { createStorage } from 'unstorage';
import ringletDriver from 'ringlet/unstorage';

// The driver opens a store at its first use, and closes it when the storage is disposed.
const site = createStorage({
  driver: ringletDriver({ open: { data: './example-data', nodes: 3 }, bucket: 'site' }),
});

await site.setItem('pages:index', { title: 'Hello', tags: ['a', 'b'] });
await site.setItemRaw('images:dot', Uint8Array.of(0x47, 0x49, 0x46));
await site.setItem('cache:news', 'gone in a minute', { ttl: 60 });

console.log('keys under images:', await site.getKeys('images'));
console.log('title:', (await site.getItem('pages:index')).title);
console.log('bytes of the image:', (await site.getItemRaw('images:dot')).length);
console.log('seconds that the news live:', (await site.getMeta('cache:news')).ttl);
await site.dispose();
