/** What one look at the node found. `problems` is empty if pods can use Onload. */
export interface Observation {
  /** Sentences for the log and for the error of a refused allocation, the most important first. */
  problems: string[];
}

/** Health as it is told to the kubelet. */
export interface Health {
  healthy: boolean;
  /** Why not, from the last look. */
  problems: string[];
  /** When observations began to contradict `healthy`, in milliseconds. undefined while they agree with it. */
  contradictedSince: number | undefined;
}

/** How long a change must last before it counts, in milliseconds. */
export interface Hysteresis {
  /** From healthy to unhealthy. */
  fallMs: number;
  /** From unhealthy to healthy. It is the longer one, because pods are scheduled here as soon as it is over. */
  riseMs: number;
}

/** Longer than a device file is missing while it is replaced, or a driver takes to load; short for a scheduler. */
export const DEFAULT_HYSTERESIS: Hysteresis = { fallMs: 1000, riseMs: 2000 };

/** Health after the first look, which counts at once, so that a new plugin does not keep the kubelet waiting. */
export function initialHealth(seen: Observation): Health {
  return { healthy: seen.problems.length === 0, problems: seen.problems, contradictedSince: undefined };
}

/** Health after another look. */
export function nextHealth(health: Health, seen: Observation, now: number, hysteresis: Hysteresis): Health {
  const good = seen.problems.length === 0;
  if (good === health.healthy) return { healthy: good, problems: seen.problems, contradictedSince: undefined };
  const since = health.contradictedSince ?? now;
  if (now - since < (good ? hysteresis.riseMs : hysteresis.fallMs)) {
    return { healthy: health.healthy, problems: health.problems, contradictedSince: since };
  }
  return { healthy: good, problems: seen.problems, contradictedSince: undefined };
}

/** The time until a pending change counts, in milliseconds from `now`. undefined if no change is pending. */
export function recheckIn(health: Health, now: number, hysteresis: Hysteresis): number | undefined {
  if (health.contradictedSince === undefined) return undefined;
  const wait = health.healthy ? hysteresis.fallMs : hysteresis.riseMs;
  return Math.max(0, health.contradictedSince + wait - now);
}
