/** Random histories. */
import fc from "fast-check";
import { type CacheName, CACHE_NAMES } from "./caches.ts";
import type { Fault } from "./client.ts";
import { ACTORS, type KmmVersion } from "./cluster.ts";
import type { Command, History } from "./history.ts";
import { EVERY_KERNEL, WORKLOADS } from "./resources.ts";

const node = fc.nat(5);
const resource = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(1) });
const flag = fc.boolean();
const fault = fc.record({
  // A pass over six nodes makes some forty calls.
  call: fc.oneof({ weight: 3, arbitrary: fc.nat(12) }, { weight: 1, arbitrary: fc.nat(40) }),
  kind: fc.constantFrom("before", "after", "conflict", "delay", "crash", "crashAfter"),
});
/** 1.1 cannot put a `+` within a kernel's version into a node's label. */
const KERNELS: Record<KmmVersion, readonly string[]> = {
  1: ["5.14.0-70.el9.x86_64", "6.1.0+", "5.14.0-427.18.1.el9_4.x86_64"],
  2: ["5.14.0-70.el9.x86_64", "6.1.0+", "5.14.0-427.18.1.el9_4.x86_64+rt"],
};

/** Every KMM gives up at it, if a mapping matches it. */
const REFUSED_KERNEL = "6.1";

function commandOf(kmm: KmmVersion): fc.Arbitrary<Command> {
  const of = <D extends Command["do"]>(name: D): fc.Arbitrary<D> => fc.constant(name);
  const to = flag;
  return fc.oneof(
    { weight: 8, arbitrary: fc.record({ do: of("act"), node, actor: fc.nat(ACTORS - 1) }) },
    { weight: 2, arbitrary: fc.record({ do: of("control") }) },
    { weight: 6, arbitrary: fc.record({ do: of("actAll"), rounds: fc.integer({ min: 1, max: 4 }) }) },
    {
      weight: 14,
      arbitrary: fc.record({
        do: of("reconcile"),
        resource,
        behind: fc.oneof(fc.constant<CacheName[]>([]), fc.subarray(CACHE_NAMES)),
        holders: flag,
        faults: fc.oneof(
          { weight: 2, arbitrary: fc.constant<Fault[]>([]) },
          { weight: 1, arbitrary: fc.array(fault, { minLength: 1, maxLength: 2 }) },
        ),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: of("release"), call: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("quiet", "crash") }) },
    { weight: 1, arbitrary: fc.record({ do: of("time"), seconds: fc.constantFrom(1, 5, 31, 301, 901) }) },
    { weight: 1, arbitrary: fc.record({ do: of("clock"), behind: fc.constantFrom(10, 100, 350) }) },
    { weight: 4, arbitrary: fc.record({ do: of("schedule"), node, what: fc.constantFrom(...WORKLOADS) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("cordon", "down", "lose", "pool"), node }) },
    { weight: 1, arbitrary: fc.record({ do: of("taint"), node }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: of("reboot"), node, kernel: fc.constantFrom(...KERNELS[kmm], REFUSED_KERNEL) }),
    },
    { weight: 3, arbitrary: fc.record({ do: of("version"), resource, to: fc.constantFrom("v1", "v2", "v3") }) },
    { weight: 2, arbitrary: fc.record({ do: of("image"), resource, revision: fc.integer({ min: 1, max: 2 }) }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: of("maxUnavailable"), resource, to: fc.constantFrom(1, 2, "0%", "34%", "50%") }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("pause", "force"), resource, to }) },
    { weight: 1, arbitrary: fc.record({ do: of("onFailure"), resource, to: fc.constantFrom("Halt", "Rollback") }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("template", "retry"), resource }) },
    { weight: 2, arbitrary: fc.record({ do: of("sfc"), resource, to, version: fc.constantFrom("v1", "v2", "v3") }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: of("kernels"),
        resource,
        regexp: fc.constantFrom("^5\\.", "^6\\.", "^4\\.", EVERY_KERNEL),
        version: fc.constantFrom("v1", "v2", "v3"),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: of("selector"), resource, to: fc.constantFrom("pool-a", "pool-b", "nowhere") }),
    },
    { weight: 1, arbitrary: fc.record({ do: of("confirm"), resource }) },
    { weight: 1, arbitrary: fc.record({ do: of("consent"), to }) },
    { weight: 1, arbitrary: fc.record({ do: of("delete"), resource, foreground: flag }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constantFrom("bad", "missing"), version: fc.constantFrom("v2", "v3"), to }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: of("fault"), what: fc.constantFrom("budget", "slowPods", "pluginImage"), to }),
    },
  );
}

export function historyOf(kmm: KmmVersion, sfc: boolean): fc.Arbitrary<History> {
  return fc.record({
    setup: fc.record({
      kmm: fc.constant(kmm),
      sfc: fc.constant(sfc),
      kernels: fc.array(fc.constantFrom(...KERNELS[kmm]), { minLength: 1, maxLength: 6 }),
      resources: fc.integer({ min: 1, max: 2 }),
    }),
    // Most histories begin where every node runs v1 and serves pods.
    begin: fc.constantFrom("installed", "installed", "bare"),
    commands: fc.array(commandOf(kmm), { maxLength: 60, size: "max" }),
    deleteAtEnd: flag,
  });
}
