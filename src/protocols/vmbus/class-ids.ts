/** Which driver an offer is for: the interface GUIDs of VMBus devices [Linux include/linux/hyperv.h, HV_…_GUID]. */

import { portOfService } from './hv-socket.ts';

export type { Guid } from '../../wire/guid.ts';

export const ClassId = {
  Network: 'f8615163-df3e-46c5-913f-f2d2f965ed0e',
  Scsi: 'ba6163d9-04a1-4d29-b605-72e2ffb1dc7f',
  Shutdown: '0e0b6031-5213-4934-818b-38d90ced39db',
  TimeSync: '9527e630-d0ae-497b-adce-e80ab0175caf',
  Heartbeat: '57164f39-9115-4e78-ab55-382f3bd5422d',
  Kvp: 'a9a0f4e7-5a45-4d96-b827-8a841e8c03e6',
  Vss: '35fa2e29-ea23-4236-96ae-3a6ebacba440',
  FileCopy: '34d14be3-dee4-41c8-9ae7-6b174977c192',
} as const;

/** The driver's name for a class, for people; what has none is shown as it is. */
export function className(id: string): string {
  const port = portOfService(id);
  if (port !== undefined) return `Socket:${port}`;
  return Object.entries(ClassId).find(([, value]) => value === id)?.[0] ?? id;
}
