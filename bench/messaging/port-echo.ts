import { parentPort } from 'node:worker_threads';
import type { PortMessage } from './port-link.js';

parentPort?.on('message', (message: PortMessage) => parentPort?.postMessage(message));
