/**
 * Guest file copy: writes a file of ours into the guest's file system, piece by piece. It takes the guest's daemon,
 * `hv_fcopy_daemon`. One file at a time.
 */
import { OperatingError } from '../../kit/errors.ts';
import type { Timers } from '../../kit/timers.ts';
import {
  FileCopyFlag, FileCopyFragment, FileCopyHeader, FileCopyOperation, FileCopyStart, FRAGMENT_BYTES, PATH_CHARACTERS,
} from '../../protocols/integration/file-copy.ts';
import {
  IntegrationMessage, type IntegrationVersion, integrationVersionText,
} from '../../protocols/integration/framing.ts';
import { ClassId } from '../../protocols/vmbus/class-ids.ts';
import type { Channel } from '../../vmbus/channel.ts';
import { expectSuccess, IntegrationChannel } from '../integration-channel.ts';
import { expectStateVersion, integrationOffer, type Service } from '../service.ts';
import { utf16 } from '../text.ts';
import { FILE_COPY_STATE_VERSION, type FileCopyState } from './state.ts';

const ANSWER_TIMEOUT_MS = 30_000;

const PROTOCOL = {
  name: 'file copy',
  type: IntegrationMessage.FileCopy,
  frameworkVersions: [{ major: 3, minor: 0 }],
  messageVersions: [{ major: 1, minor: 1 }],
};

export interface CopyOptions {
  readonly overwrite?: boolean;
  /** Make the directories that lead to it. */
  readonly createPath?: boolean;
}

export class FileCopy implements Service<FileCopyState> {
  readonly description = integrationOffer(ClassId.FileCopy, '3f31a9b1-9a1c-4c53-8f5c-1a8d6f0b7c06');
  readonly maxPacketBytes = 8192;
  readonly #channel: IntegrationChannel;
  #isCopying = false;

  constructor(options: { timers: Timers }) {
    this.#channel = new IntegrationChannel({ protocol: PROTOCOL, timers: options.timers, onReady: () => {} });
  }

  get version(): IntegrationVersion | undefined {
    return this.#channel.version;
  }

  /** Resolves once the guest is there for it; OperatingError when it is not in time. */
  ready(timeoutMs: number): Promise<void> {
    return this.#channel.ready(timeoutMs);
  }

  /**
   * Writes `data` to the absolute path in the guest.
   * @throws OperatingError when the guest cannot, or a copy is under way.
   */
  async copy(path: string, data: Uint8Array, options: CopyOptions = {}): Promise<void> {
    if (this.#isCopying) {
      throw new OperatingError('host', `cannot copy ${path}: another copy is under way, wait for it`);
    }
    const start = startMessage(path, data.length, options);
    this.#isCopying = true;
    try {
      expectSuccess(`create ${path}`, await this.#channel.exchange(start, ANSWER_TIMEOUT_MS));
      await this.#fill(path, data);
      const done = headerMessage(FileCopyOperation.Complete);
      expectSuccess(`complete ${path}`, await this.#channel.exchange(done, ANSWER_TIMEOUT_MS));
    } finally {
      this.#isCopying = false;
    }
  }

  opened(channel: Channel): void {
    this.#channel.opened(channel);
  }

  signalled(): void {
    this.#channel.signalled();
  }

  closed(): void {
    this.#channel.closed();
  }

  /** A copy that is under way does not outlive a save: the guest's daemon gives up on it. */
  saveState(): FileCopyState {
    return { version: FILE_COPY_STATE_VERSION };
  }

  restoreState(state: FileCopyState): void {
    expectStateVersion('file copy', state.version, FILE_COPY_STATE_VERSION);
  }

  inspect(): object {
    return { version: this.version && integrationVersionText(this.version), isCopying: this.#isCopying };
  }

  async #fill(path: string, data: Uint8Array): Promise<void> {
    for (let offset = 0; offset < data.length; offset += FRAGMENT_BYTES) {
      const piece = data.subarray(offset, offset + FRAGMENT_BYTES);
      const body = new Uint8Array(FileCopyFragment.$size);
      FileCopyFragment.encode(new DataView(body.buffer), 0, {
        operation: FileCopyOperation.Write, offset, size: piece.length, data: piece,
      });
      const reply = await this.#channel.exchange(body, ANSWER_TIMEOUT_MS);
      if (reply.status !== 0) await this.#channel.exchange(headerMessage(FileCopyOperation.Cancel), ANSWER_TIMEOUT_MS);
      expectSuccess(`write to ${path}`, reply);
    }
  }
}

function headerMessage(operation: number): Uint8Array {
  const body = new Uint8Array(FileCopyHeader.$size);
  FileCopyHeader.operation.set(new DataView(body.buffer), 0, operation);
  return body;
}

function startMessage(
  path: string, fileSize: number, { overwrite = false, createPath = false }: CopyOptions,
): Uint8Array {
  const slash = path.lastIndexOf('/');
  const fileName = utf16(path.slice(slash + 1), PATH_CHARACTERS * 2);
  // The daemon makes the directories that it finds before a slash: the last one needs its own.
  const pathName = utf16(path.slice(0, slash + 1), PATH_CHARACTERS * 2);
  if (!path.startsWith('/') || path.endsWith('/') || fileName === undefined || pathName === undefined) {
    throw new OperatingError('usage', `${path} is no place for a file in the guest: give an absolute path of names ` +
      `of at most ${PATH_CHARACTERS - 1} characters`);
  }
  const body = new Uint8Array(FileCopyStart.$size);
  FileCopyStart.encode(new DataView(body.buffer), 0, {
    operation: FileCopyOperation.Start, fileName, pathName, fileSize,
    copyFlags: (overwrite ? FileCopyFlag.Overwrite : 0) | (createPath ? FileCopyFlag.CreatePath : 0),
  });
  return body;
}
