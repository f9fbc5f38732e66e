/** metav1.MicroTime of milliseconds since the epoch. */
export function microTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}

/** metav1.Time of milliseconds since the epoch. */
export function secondTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+/, "");
}
