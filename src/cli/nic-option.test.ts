import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nicsOf } from './nic-option.ts';

test('a guest has one NIC behind NAT unless it is told otherwise', () => {
  assert.deepEqual(nicsOf([]), [{ network: 'nat' }]);
  assert.deepEqual(nicsOf(['none']), []);
  assert.deepEqual(
    nicsOf(['nat', 'nat,mac=00:15:5D:00:00:01']), [{ network: 'nat' }, { network: 'nat', mac: '00-15-5d-00-00-01' }]);
});

test('a NIC on a switch has a name and a VLAN if it is given them', () => {
  assert.deepEqual(nicsOf(['lab,vlan=10,name=web']), [
    { network: 'lab', name: 'web', settings: { vlan: { kind: 'access', id: 10 } } },
  ]);
});

test('a NIC on a switch has ports of the host among its settings', () => {
  assert.deepEqual(nicsOf(['lab,forward=tcp:8080:80']), [
    { network: 'lab', settings: { forwards: [{ protocol: 'tcp', hostPort: 8080, guestPort: 80 }] } },
  ]);
});

test('a NIC behind NAT has ports of the host that reach it', () => {
  assert.deepEqual(nicsOf(['nat,forward=tcp:8080:80,forward=udp:53:53']), [{
    network: 'nat',
    forwards: [{ protocol: 'tcp', hostPort: 8080, guestPort: 80 }, { protocol: 'udp', hostPort: 53, guestPort: 53 }],
  }]);
});
