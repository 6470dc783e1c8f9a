import { parentPort, workerData } from 'node:worker_threads';
import { type DoorInput, openDoor } from './servers.js';

const { door, valueBytes, keys } = workerData as DoorInput;
const { address } = await openDoor(door, valueBytes, keys);
parentPort?.postMessage(address);
