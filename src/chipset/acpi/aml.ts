/**
 * The few terms of AML, ACPI's bytecode, that our DSDT is written in [ACPI 6.4, chapter 20]. Each function answers the
 * encoded term, so that tables read like the ASL they stand for.
 */

export type Aml = readonly number[];

/** DefName: Name (name, value). */
export function name(segment: string, value: Aml): Aml {
  return [0x08, ...nameSegment(segment), ...value];
}

/** DefScope at the root: Scope (\name) { … }. */
export function rootScope(segment: string, terms: Aml[]): Aml {
  return [0x10, ...withLength([0x5c, ...nameSegment(segment), ...terms.flat()])];
}

/** DefDevice: Device (name) { … }. */
export function device(segment: string, terms: Aml[]): Aml {
  return [0x5b, 0x82, ...withLength([...nameSegment(segment), ...terms.flat()])];
}

/** DefMethod: Method (name, argumentCount) { … }. */
export function method(segment: string, terms: Aml[], argumentCount = 0): Aml {
  return [0x14, ...withLength([...nameSegment(segment), argumentCount, ...terms.flat()])];
}

/** Notify (device, value). */
export function notify(segment: string, value: number): Aml {
  return [0x86, ...nameSegment(segment), ...integer(value)];
}

/** Return (name). */
export function returnName(segment: string): Aml {
  return [0xa4, ...nameSegment(segment)];
}

/** name &= value. */
export function andInto(segment: string, value: number): Aml {
  return [0x7b, ...nameSegment(segment), ...integer(value), ...nameSegment(segment)];
}

/** name |= value. */
export function orInto(segment: string, value: number): Aml {
  return [0x7d, ...nameSegment(segment), ...integer(value), ...nameSegment(segment)];
}

export function integer(value: number): Aml {
  if (value === 0 || value === 1) return [value];
  if (value < 0x100) return [0x0a, value];
  if (value < 0x1_0000) return [0x0b, ...littleEndian(value, 2)];
  return value < 0x1_0000_0000 ? [0x0c, ...littleEndian(value, 4)] : [0x0e, ...littleEndian(value, 8)];
}

export function string(text: string): Aml {
  return [0x0d, ...new TextEncoder().encode(text), 0];
}

export function packageOf(elements: Aml[]): Aml {
  return [0x12, ...withLength([elements.length, ...elements.flat()])];
}

/** An EISA id ("PNP0501") as the integer that _HID holds [ACPI 6.4, 19.3.4]. */
export function eisaId(id: string): Aml {
  const letter = (index: number): number => id.charCodeAt(index) - 0x40;
  const vendor = (letter(0) << 10) | (letter(1) << 5) | letter(2);
  const product = Number.parseInt(id.slice(3), 16);
  return [0x0c, vendor >> 8, vendor & 0xff, product >> 8, product & 0xff];
}

/** ResourceTemplate () { … }: a buffer that ends with an end tag without checksum. */
export function resources(descriptors: Aml[]): Aml {
  const content = [...descriptors.flat(), 0x79, 0x00];
  return [0x11, ...withLength([...integer(content.length), ...content])];
}

/** IO (Decode16, port, port, 1, count). */
export function ioPorts(port: number, count: number): Aml {
  return [0x47, 0x01, ...littleEndian(port, 2), ...littleEndian(port, 2), 0x01, count];
}

/** IRQNoFlags () { irq }: edge-triggered, active high. */
export function irq(line: number): Aml {
  return [0x22, ...littleEndian(1 << line, 2)];
}

/** Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { gsi }. */
export function interrupt(gsi: number): Aml {
  return [0x89, 0x06, 0x00, 0x03, 0x01, ...littleEndian(gsi, 4)];
}

/** QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite, …). */
export function memoryWindow(start: number, sizeBytes: number): Aml {
  const qword = (value: number): Aml => littleEndian(value, 8);
  return [0x8a, 0x2b, 0x00, 0x00, 0x0c, 0x01, ...qword(0), ...qword(start), ...qword(start + sizeBytes - 1),
    ...qword(0), ...qword(sizeBytes)];
}

function nameSegment(segment: string): Aml {
  return [...segment.padEnd(4, '_')].map((letter) => letter.charCodeAt(0));
}

/** PkgLength before its content [ACPI 6.4, 20.2.4]: the length counts its own bytes. */
function withLength(content: number[]): Aml {
  if (content.length + 1 < 0x40) return [content.length + 1, ...content];
  const extra = content.length + 2 < 0x1000 ? 1 : 2;
  const total = content.length + 1 + extra;
  return [(extra << 6) | (total & 0x0f), ...littleEndian(total >> 4, extra), ...content];
}

function littleEndian(value: number, size: number): Aml {
  return Array.from({ length: size }, (_, index) => Math.floor(value / 2 ** (8 * index)) % 0x100);
}
