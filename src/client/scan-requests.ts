import { OK, OUT_STALE_RING, SCAN_RECORDS_AT } from '../messaging/frames.js';
import { lengthAt } from '../storage/record.js';
import { errorOfOutcome, timeoutOf } from './outcomes.js';
import { writeScan } from './request-frames.js';
import type { Active, RequestSlots } from './request-slots.js';
import type { ScanTask } from './request.js';

/** The life of a page of a scan: one virtual node has it; for a backup, or before it was asked, also its next thread. */
export class ScanRequests {
  private readonly slots: RequestSlots;

  constructor(slots: RequestSlots) {
    this.slots = slots;
  }

  advance(active: Active, task: ScanTask): void {
    const before = active.asked.at(-1);
    if (before !== undefined && this.slots.alive(before)) return;
    if (before !== undefined && task.every !== true) {
      this.leave(active, task);
      return;
    }
    // A page of one that is being rebuilt would lack what it lacks.
    const { world } = this.slots;
    if (task.every === true ? !world.isServing(task.vnode) : !world.isWhole(task.vnode)) return;
    writeScan(this.slots.frames, active.request, task);
    this.slots.ask(active, task.vnode);
  }

  answered(active: Active, task: ScanTask, words: Int32Array, at: number): void {
    if (words[at + 6] === OUT_STALE_RING) {
      this.leave(active, task);
      return;
    }
    if (words[at + 6] !== OK) {
      this.slots.finish(active, errorOfOutcome(words[at + 6]!, 0, 0, false));
      return;
    }
    const records: Int32Array[] = [];
    let word = at + SCAN_RECORDS_AT;
    for (let i = 0; i < words[at + 7]!; i++) {
      const record = words.slice(word, word + (lengthAt(words, word) >>> 2));
      records.push(record);
      word += record.length;
    }
    this.slots.release(active);
    task.done({ records, more: words[at + 8] === 0, damaged: words[at + 9]! });
  }

  private leave(active: Active, task: ScanTask): void {
    this.slots.release(active);
    task.done('elsewhere');
  }

  expire(active: Active, task: ScanTask): void {
    this.slots.finish(active, timeoutOf(this.slots.nowMs - task.startedMs, '', false));
  }
}
