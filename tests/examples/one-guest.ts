/** Boots a guest, waits until its heart beats, types on its console, and has it switch itself off. */

import { once } from 'node:events';
import { Host } from 'partout';

await using host = await Host.open();
await using vm = await host.createVM({ name: 'a', image: 'tiny', memory: '256M' });
vm.console.pipe(process.stdout);
await vm.start();
await once(vm.heartbeat, 'beating');
vm.console.write('uname -a\n');
await vm.shutdown();
