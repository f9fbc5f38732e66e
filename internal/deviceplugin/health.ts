/** What one look at the node found; `problems` is empty where pods can use Onload. */
export interface Observation {
  /** Sentences for the log and for the text of a refused allocation, most important first. */
  problems: string[];
}

/** Health as it is told to the kubelet. */
export interface Health {
  healthy: boolean;
  /** Why not, from the last look. */
  problems: string[];
  /** When the observations began to contradict `healthy`, in milliseconds; undefined while they agree with it. */
  contradictedSince: number | undefined;
}

/** How long a change must last before it counts, in milliseconds. */
export interface Hysteresis {
  /** From healthy to unhealthy. */
  fallMs: number;
  /** From unhealthy to healthy. Longer: pods are sent here the moment it is over. */
  riseMs: number;
}

/** Long enough for a device file that is replaced, or a driver that loads in steps; short enough for a scheduler. */
export const DEFAULT_HYSTERESIS: Hysteresis = { fallMs: 1000, riseMs: 2000 };

/** Health from the first look, which counts at once: a plugin that has just started must not keep the kubelet waiting. */
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

/** When to look again at the latest because a change is pending, in milliseconds from `now`; undefined if none is. */
export function recheckIn(health: Health, now: number, hysteresis: Hysteresis): number | undefined {
  if (health.contradictedSince === undefined) return undefined;
  const wait = health.healthy ? hysteresis.fallMs : hysteresis.riseMs;
  return Math.max(0, health.contradictedSince + wait - now);
}
