/** The messages on their way, as values: for a saved state and for a reset. Every processor is paused. */
import { EVENT_FLAGS_SIZE, SINT_COUNT } from '../protocols/tlfs/synic.ts';
import type { ControlBuffer } from './control-buffer.ts';
import { MessageRing } from './message-ring.ts';
import { DOORBELL_COUNT, POSTED_COUNT, QUEUE_COUNT, SIGNALS_SIZE } from './messaging-layout.ts';
import { VpControl } from './partition-layout.ts';
import type { MessageState } from './partition-state.ts';

const QUEUED_SINTS = VpControl.queuedSints.offset >> 2;
const FLAGGED_SINTS = VpControl.flaggedSints.offset >> 2;

export function readMessages(control: ControlBuffer): MessageState {
  const queued: MessageState['queued'][number][] = [];
  forEachQueue(control, (processor, sint, ring) => {
    if (!ring.isEmpty) queued.push({ processor, sint, messages: ring.contents() });
  });
  return { posted: new MessageRing(control, control.postedOffset, POSTED_COUNT).contents(), queued };
}

/** Replaces what is on its way. Events, of which nobody but their port knows the meaning, are forgotten. */
export function writeMessages(control: ControlBuffer, state: MessageState): void {
  new MessageRing(control, control.postedOffset, POSTED_COUNT).fill(state.posted);
  forEachQueue(control, (processor, sint, ring) => {
    const messages = state.queued.find((each) => each.processor === processor && each.sint === sint)?.messages ?? [];
    ring.fill(messages);
    const word = control.vpControlWord(processor) + QUEUED_SINTS;
    if (messages.length > 0) Atomics.or(control.words, word, 1 << sint);
    else Atomics.and(control.words, word, ~(1 << sint));
    const flags = control.flagsWord(processor, sint);
    control.words.fill(0, flags, flags + EVENT_FLAGS_SIZE / 4);
    control.words[control.vpControlWord(processor) + FLAGGED_SINTS] = 0;
  });
  for (let i = 0; i < DOORBELL_COUNT; i++) {
    const start = control.signalsWord(i);
    control.words.fill(0, start, start + SIGNALS_SIZE / 4);
  }
}

function forEachQueue(
  control: ControlBuffer, each: (processor: number, sint: number, ring: MessageRing) => void,
): void {
  for (let processor = 0; processor < control.processorCount; processor++) {
    for (let sint = 0; sint < SINT_COUNT; sint++) {
      each(processor, sint, new MessageRing(control, control.queueOffset(processor, sint), QUEUE_COUNT));
    }
  }
}
