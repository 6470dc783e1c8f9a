import { parentPort, workerData } from 'node:worker_threads';
import type { HttpInput } from './http-case.js';
import { openDoor } from './servers.js';

const { door, valueBytes, keys } = workerData as HttpInput;
const { address } = await openDoor(door, valueBytes, keys);
parentPort?.postMessage(address);
