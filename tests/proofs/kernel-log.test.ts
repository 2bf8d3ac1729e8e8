import assert from 'node:assert/strict';
import { test } from 'node:test';
import { complaintsOf } from './kernel-log.ts';

test('warnings and faults are complaints, what Hyper-V brings about itself is not', () => {
  const wrong = [
    '<4>[    0.571457] clocksource: something is off', '<0>[   12.000000] Kernel panic - not syncing',
    '<6>[    1.000000] watchdog: BUG: soft lockup - CPU#1 stuck for 22s!', '[    1.000000] unchecked MSR access error',
  ];
  const right = [
    '<3>[    0.471869] PCI: Fatal: No config space access function found', '<5>[    0.000000] Linux version 6.1',
    '<12>[    5.000000] a program said this', '<4>[    0.764177] PCI: System does not support PCI',
  ];
  assert.deepEqual(complaintsOf([...right, ...wrong].join('\r\n')), wrong);
});
