/** metav1.MicroTime of milliseconds since the epoch. */
export function microTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}

/** metav1.Time of milliseconds since the epoch. */
export function secondTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+/, "");
}

/** A metav1.Time or MicroTime in milliseconds since the epoch; undefined if there is none, or if it cannot be read. */
export function parseTime(text: string | undefined): number | undefined {
  const time = Date.parse(text ?? "");
  return Number.isNaN(time) ? undefined : time;
}
