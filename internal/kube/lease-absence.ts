/**
 * Whether nobody has led for long before a candidate takes a Lease. Times that the last leader has written down by its wall
 * clock then say little: the clock may have been set meanwhile, and if not, nobody has done anything. Pure.
 */
import type { DeepReadonly } from "../api/core.ts";
import type { Lease } from "./kinds.ts";
import { parseTime } from "./times.ts";

/**
 * A shorter time is what one process takes to follow another: one that crashes again and again is started after five
 * minutes at the latest, and the pod of a lost node is replaced after five, too. So whoever goes by this cannot be made
 * to wait for ever by crashes.
 */
const LONG_MS = 600_000;

/**
 * Until when nobody had led for long, in milliseconds since the epoch, as the Lease tells it to who takes it at `now`. It
 * is written into the Lease: the leader that finds it so may end before it can do anything about it.
 *
 * @returns undefined if the last leader has renewed it not long ago, has let it go not long ago, or nothing tells when
 */
export function longAbsence({ spec }: DeepReadonly<Lease>, now: number): number | undefined {
  const renewed = parseTime(spec?.renewTime);
  return renewed !== undefined && now - renewed > LONG_MS ? now : undefined;
}
