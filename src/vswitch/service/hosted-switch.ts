/** A switch of the switch process: the data path with its configuration, who is on it, and what it learned before. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Clock } from '../../kit/clock.ts';
import { macText } from '../packet/addresses.ts';
import type { CaptureExtension } from '../switch/extension.ts';
import { AGE_SECONDS } from '../switch/mac-table.ts';
import { Switch } from '../switch/switch.ts';
import type { SwitchPort } from '../switch/switch-port.ts';
import { vlanText } from '../switch/vlan.ts';
import { DEFAULT_NIC_SETTINGS, type NicSettings, type SwitchConfiguration } from './configuration.ts';
import { HostAttachment } from './host-attachment.ts';
import type { SwitchDirectory } from './switch-directory.ts';

const TABLES_VERSION = 1;

/** What one NIC leaves behind for the next process. */
interface SavedNic {
  readonly counters: ReturnType<SwitchPort['counters']['snapshot']>;
  readonly addresses: readonly { readonly vlan: number; readonly mac: number; readonly ageSeconds: number }[];
}

export class HostedSwitch {
  readonly data: Switch;
  readonly #directory: SwitchDirectory;
  readonly #clock: Clock;
  readonly #wanted = new Map<SwitchPort, Partial<NicSettings>>();
  readonly #captures = new Set<CaptureExtension>();
  readonly #saved: Map<string, SavedNic>;
  #configuration: SwitchConfiguration;
  #lastTables = '';

  readonly #host: HostAttachment;

  /** @param onRun frames of a run came from the host */
  constructor(
    configuration: SwitchConfiguration, directory: SwitchDirectory, clock: Clock, onRun: () => void,
  ) {
    this.#configuration = configuration;
    this.#directory = directory;
    this.#clock = clock;
    this.data = new Switch({ clock });
    this.#saved = this.#readTables();
    this.#host = new HostAttachment({
      attach: (name, vlan) => this.attach(name, undefined, { vlan, macSpoofing: true, priorityTag: true }),
      detach: (port) => this.detach(port), onRun,
    });
    this.#host.apply(configuration);
  }

  get configuration(): SwitchConfiguration {
    return this.#configuration;
  }

  get portCount(): number {
    return this.data.ports.size;
  }

  /** @param wanted what the NIC's owner wants; the configuration goes before */
  attach(name: string, mac: number | undefined, wanted: Partial<NicSettings>): SwitchPort {
    const { vlan, mirror, forwards: _, ...policy } = this.#settingsOf(name, wanted);
    const port = this.data.attach({ name, ...(mac === undefined ? {} : { mac }), vlan, mirror, policy });
    this.#wanted.set(port, wanted);
    const saved = this.#saved.get(name);
    this.#saved.delete(name);
    if (saved !== undefined) {
      port.counters.restore(saved.counters);
      for (const each of saved.addresses) this.data.restoreAddress(each.vlan, each.mac, port, each.ageSeconds);
    }
    if (mac !== undefined) this.#forward();
    return port;
  }

  detach(port: SwitchPort): void {
    this.#wanted.delete(port);
    port.close();
    if (port.mac !== undefined) this.#forward();
  }

  portNamed(name: string): SwitchPort | undefined {
    return [...this.data.ports].find((port) => port.name === name);
  }

  /** Every setting holds for the next frame. */
  configure(configuration: SwitchConfiguration): void {
    this.#configuration = configuration;
    this.#host.apply(configuration);
    for (const [port, wanted] of this.#wanted) {
      const { vlan, mirror, forwards: _, ...policy } = this.#settingsOf(port.name, wanted);
      port.configure({ vlan, mirror, policy });
    }
    this.#forward();
  }

  /** What of the host's ports reaches whom, as NICs come, go and are set. */
  #forward(): void {
    this.#host.forward([...this.#wanted].flatMap(([{ name, mac }, wanted]) => mac === undefined ? []
      : this.#settingsOf(name, wanted).forwards.map((each) => ({ ...each, nic: name, mac: macText(mac) }))));
  }

  addCapture(capture: CaptureExtension): () => void {
    this.#captures.add(capture);
    this.data.setExtensions([...this.#captures]);
    return () => {
      this.#captures.delete(capture);
      this.data.setExtensions([...this.#captures]);
    };
  }

  status(): object {
    const now = this.data.nowSeconds;
    const ports = [...this.data.ports];
    return {
      ...this.#configuration,
      ports: ports.map((port) => ({
        nic: port.name, state: port.state, mac: port.mac === undefined ? undefined : macText(port.mac),
        vlan: vlanText(port.vlan), mirror: port.mirror, ...port.policy, counters: port.counters.snapshot(),
      })),
      addresses: this.data.addresses().map(({ vlan, mac, port, heardSeconds }) => ({
        mac: macText(mac), vlan, nic: ports.find(({ index }) => index === port)?.name,
        ...(heardSeconds === undefined ? {} : { ageSeconds: Math.round(now - heardSeconds) }),
      })),
      host: this.#host.status(),
      cache: this.data.cacheFigures,
    };
  }

  /** Writes down what the next process should know, if it is not what was written last. */
  saveTables(): void {
    const now = this.data.nowSeconds;
    const addresses = this.data.addresses();
    const nics = Object.fromEntries([...this.data.ports].map((port): [string, SavedNic] => [port.name, {
      counters: port.counters.snapshot(),
      addresses: addresses.filter((each) => each.port === port.index && each.heardSeconds !== undefined)
        .map(({ vlan, mac, heardSeconds = now }) => ({ vlan, mac, ageSeconds: Math.round(now - heardSeconds) })),
    }]));
    const tables = { version: TABLES_VERSION, nics };
    const text = JSON.stringify(tables);
    if (text === this.#lastTables) return;
    this.#lastTables = text;
    const path = this.#directory.tablesPath(this.#configuration.name);
    try {
      writeFileSync(`${path}.new`, JSON.stringify({ savedMs: this.#clock.wallMs(), ...tables }));
      renameSync(`${path}.new`, path);
    } catch {
      // What is not kept is learned again.
    }
  }

  /** The host's ends of it are gone when this resolves. */
  close(): Promise<void> {
    return this.#host.close();
  }

  #settingsOf(name: string, wanted: Partial<NicSettings>): NicSettings {
    return { ...DEFAULT_NIC_SETTINGS, ...wanted, ...this.#configuration.nics[name] };
  }

  /** Addresses grow older while nobody is there; a file that cannot be read is none. */
  #readTables(): Map<string, SavedNic> {
    try {
      const file = this.#directory.tablesPath(this.#configuration.name);
      const { version, savedMs, nics } = JSON.parse(readFileSync(file, 'utf8')) as
        { version: number; savedMs: number; nics: Record<string, SavedNic> };
      if (version !== TABLES_VERSION) return new Map();
      const passed = Math.max(0, (this.#clock.wallMs() - savedMs) / 1000);
      return new Map(Object.entries(nics).map(([name, nic]) => [name, {
        counters: nic.counters,
        addresses: nic.addresses.map((each) => ({ ...each, ageSeconds: each.ageSeconds + passed }))
          .filter(({ ageSeconds }) => ageSeconds < AGE_SECONDS),
      }]));
    } catch {
      return new Map();
    }
  }
}
