/**
 * AES, carry-less multiplication and SHA on XMM registers [SDM vol. 2]; handlers in core/vector/aes.ts, carryless.ts
 * and sha.ts.
 */

import { type Instruction, instructions, type Row } from './instruction.ts';

const whole = { bytes: 16, aligned: true, oracle: 'native' };
const aes = { ...whole, feature: 'AES' };
const sha = { ...whole, feature: 'SHA' };

const ROWS: readonly Row[] = [
  ['66 0F 38 DB /r', 'AESIMC', 'V,W', 'aesimc', aes],
  ['66 0F 38 DC /r', 'AESENC', 'V,W', 'aesenc', aes],
  ['66 0F 38 DD /r', 'AESENCLAST', 'V,W', 'aesenclast', aes],
  ['66 0F 38 DE /r', 'AESDEC', 'V,W', 'aesdec', aes],
  ['66 0F 38 DF /r', 'AESDECLAST', 'V,W', 'aesdeclast', aes],
  ['66 0F 3A DF /r', 'AESKEYGENASSIST', 'V,W,Ib', 'aeskeygenassist', aes],
  ['66 0F 3A 44 /r', 'PCLMULQDQ', 'V,W,Ib', 'pclmulqdq', { ...whole, feature: 'PCLMULQDQ' }],
  ['NP 0F 38 C8 /r', 'SHA1NEXTE', 'V,W', 'sha1nexte', sha],
  ['NP 0F 38 C9 /r', 'SHA1MSG1', 'V,W', 'sha1msg1', sha],
  ['NP 0F 38 CA /r', 'SHA1MSG2', 'V,W', 'sha1msg2', sha],
  ['NP 0F 38 CB /r', 'SHA256RNDS2', 'V,W', 'sha256rnds2', sha],
  ['NP 0F 38 CC /r', 'SHA256MSG1', 'V,W', 'sha256msg1', sha],
  ['NP 0F 38 CD /r', 'SHA256MSG2', 'V,W', 'sha256msg2', sha],
  ['NP 0F 3A CC /r', 'SHA1RNDS4', 'V,W,Ib', 'sha1rnds4', sha],
];

export const CRYPTOGRAPHY: readonly Instruction[] = instructions('sse', ROWS);
