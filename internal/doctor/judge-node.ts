/** The links of a chain that a node has, whichever pod is on it. Pure. */
import { ONLOAD_DRIVERS, ONLOAD_RESOURCE } from "../api/names.ts";
import { firstFew } from "../cli/first-few.ts";
import { formatAge } from "../cli/table.ts";
import { bindCommand } from "../kube/rights-advice.ts";
import { rowOf } from "../operator/rollout/states.ts";
import type { NodeFacts } from "./facts.ts";
import { linkOf, type Link } from "./links.ts";

/** An answer that is older has not been renewed, as a plugin does at least each quarter of an hour. */
const STALE_MS = 16 * 60_000;
const MAX_NAMED = 5;

/** What to do if something of the cluster may not be read. */
export const VIEWER = `Ask an administrator: ${bindCommand("viewer")}`;

/**
 * The links from the node's Onload to its device plugin.
 *
 * @param now milliseconds since the epoch
 */
export function nodeLinks(facts: NodeFacts, now: number): Link[] {
  return [nodeLink(facts), versionsLink(facts), devicesLink(facts), pluginLink(facts, now), controlPlaneLink(facts)];
}

function nodeLink({ rollout, node, name, resources, unserved }: NodeFacts): Link {
  const link = linkOf("node");
  if ("value" in node && node.value === undefined) return link("failed", `There is no node "${name}"`);
  if ("problem" in rollout) return link("unknown", rollout.problem, VIEWER);
  if (rollout.value === undefined && (resources ?? 0) === 0) return link("failed", ...noResource(resources));
  if (rollout.value === undefined) {
    return link(
      "failed",
      `No Onload resource selects node "${name}"`,
      "Give the node the labels of a resource's spec.selector, or keep the pod away from it",
    );
  }
  const { onload, status } = rollout.value;
  const seen = `Onload ${onload}: ${status.state}${status.why === "" ? "" : `: ${status.why}`}`;
  if (status.failed) return link("failed", seen, "Correct this, then run onloadctl retry");
  if ("value" in node && node.value?.ready === false) {
    return link(
      "failed",
      `The node is not Ready; Onload ${onload}: ${status.state}`,
      `See \`kubectl describe node ${name}\``,
    );
  }
  if (!rowOf(status.state).complete) {
    if (unserved !== undefined) return link("warning", `${seen}. ${unserved.seen}`, unserved.todo);
    return link("warning", seen, "Wait; `onloadctl help states` explains each state");
  }
  if (status.why !== "") return link("warning", seen);
  return link("ok", `${seen} with version ${status.version}`);
}

/** What is said if no node can have Onload. @param resources undefined: not even their CRD is there */
export function noResource(resources: number | undefined): [seen: string, todo: string] {
  if (resources === undefined) {
    const todo = "Install the operator (`onloadctl manifests install --image=IMAGE`), and apply an Onload resource";
    return ["Onload is not installed in this cluster", todo];
  }
  const seen = `There is no Onload resource in this cluster, so no node offers ${ONLOAD_RESOURCE}`;
  return [seen, "Apply one: `onloadctl manifests sample` prints one to start from"];
}

function versionsLink({ rollout, asked }: NodeFacts): Link {
  const link = linkOf("versions");
  const own = typeof asked === "object" && "value" in asked ? asked.value.node?.module.version : undefined;
  const loaded = own === undefined ? "" : `; the loaded module calls itself ${own}`;
  if ("problem" in rollout) return link("unknown", `Not known without the Onload resource${loaded}`, VIEWER);
  const { module, library } = rollout.value ?? {};
  const seen = `Kernel module ${module ?? "not loaded"}, library ${library ?? "not installed"}, by the labels of the node and of its plugin's pod${loaded}`;
  if (
    own !== undefined &&
    library !== undefined &&
    (module === undefined || (module === library && areDifferent(own, module)))
  ) {
    return link(
      "warning",
      seen,
      "KMM has not loaded it, or could not unload one of before: unload it, and see onloadctl status",
    );
  }
  if (module !== undefined && module === library) return link("ok", seen);
  if (module === undefined) {
    return link("failed", seen, "Without the module every socket is the kernel's: see onloadctl status");
  }
  if (library === undefined) return link("failed", seen, "See the device plugin's pod");
  return link("failed", seen, "Onload refuses another version's library: see `onloadctl status` for the rollout");
}

/**
 * Whether two versions surely differ: both begin with numbers, and none has more of the other's. A module of a release is
 * 9.2.0.1 if the resource says 9.2.0; one of a checkout has no such version, and a resource may have a word of its own.
 */
function areDifferent(one: string, other: string): boolean {
  const [a, b] = [one, other].map((version) => /^\d+(?:\.\d+)+/.exec(version)?.[0].split("."));
  return a !== undefined && b !== undefined && a.some((part, i) => i < b.length && part !== b[i]);
}

function devicesLink({ rollout, node, asked }: NodeFacts): Link {
  const link = linkOf("devices");
  const said = typeof asked === "object" && "value" in asked ? asked.value.node : undefined;
  const why = said?.healthy === false ? said.problems.join("; ") : "value" in rollout ? rollout.value?.refusal : "";
  if ("problem" in node) {
    if (said === undefined) return link("unknown", node.problem, VIEWER);
    return said.healthy ? link("ok", "The device plugin offers them") : link("failed", why ?? "");
  }
  const count = node.value?.allocatable ?? 0;
  if (count === 0) {
    const seen = `The node offers no ${ONLOAD_RESOURCE}${why ? `: ${why}` : ""}`;
    return link("failed", seen, "See `onloadctl status` and the log of the device plugin's pod");
  }
  // The kubelet is told a moment after a device file is lost.
  if (said?.healthy === false) return link("failed", `They are being withdrawn: ${why ?? ""}`);
  return link("ok", `${count} ${ONLOAD_RESOURCE} allocatable`);
}

function pluginLink({ asked }: NodeFacts, now: number): Link {
  const link = linkOf("plugin");
  if (asked === "none") {
    return link("failed", "The node has no pod of the device plugin", "See `onloadctl status` for what it waits for");
  }
  if ("problem" in asked) return link("unknown", asked.problem, asked.todo);
  const { lookedAt, problem } = asked.value;
  if (problem !== undefined) return link("warning", problem, "See the log of the container device-plugin");
  if (lookedAt === undefined) return link("unknown", "It has not looked into processes yet", "Ask again in 30 s");
  const age = formatAge(now - lookedAt);
  if (now - lookedAt > STALE_MS) {
    return link("warning", `It looked into processes ${age} ago`, "See the log of the container device-plugin");
  }
  return link("ok", `It looked into processes ${age} ago`);
}

function controlPlaneLink({ asked }: NodeFacts): Link {
  const link = linkOf("control plane");
  if (asked === "none" || "problem" in asked) return link("unknown", NOT_REACHED);
  const { node } = asked.value;
  if (node === undefined) return link("unknown", OLDER, "Upgrade the operator, and with it the device plugin");
  if (node.controlPlane !== undefined) {
    return link("failed", node.controlPlane, "See the log of the container onload-worker");
  }
  return link("ok", "The kernel can start onload_cp_server");
}

export const NOT_REACHED = "Only the device plugin knows, which was not asked";
const OLDER = "The device plugin is of an older version, which does not say";

/** The node's NICs, by what its plugin says. */
export function nicsLink({ asked }: NodeFacts): Link {
  const link = linkOf("NICs");
  if (asked === "none" || "problem" in asked) return link("unknown", NOT_REACHED);
  const { node } = asked.value;
  if (node === undefined) return link("unknown", OLDER, "Upgrade the operator, and with it the device plugin");
  const text = firstFew(node.nics, MAX_NAMED, ({ address, driver, interfaces }) =>
    [address, driver ?? "no driver", ...interfaces].join(" "),
  );
  if (node.nics.some(({ driver }) => driver !== undefined && ONLOAD_DRIVERS.has(driver))) return link("ok", text);
  if (node.nics.length === 0) return link("failed", "The node has no NIC that Onload knows");
  return link("failed", text, "Bind sfc to the NIC, or let Onload's sfc replace that of the kernel");
}

/** How the pods of a node fare, by what its plugin says. */
export function podsLink({ asked }: NodeFacts): Link {
  const link = linkOf("pods");
  if (asked === "none" || "problem" in asked) return link("unknown", NOT_REACHED);
  const { containers } = asked.value;
  if (containers.length === 0) return link("ok", `None holds ${ONLOAD_RESOURCE}`);
  const text = (accelerated: boolean | undefined, what: string): string[] => {
    const found = containers.filter((each) => each.accelerated === accelerated);
    return found.length === 0 ? [] : [`${what}: ${firstFew(found, MAX_NAMED, (c) => `${c.namespace}/${c.pod}`)}`];
  };
  const seen = [...text(true, "accelerated"), ...text(false, "on the kernel"), ...text(undefined, "without sockets")];
  const isWrong = containers.some(({ accelerated }) => accelerated === false);
  return link(isWrong ? "warning" : "ok", seen.join("; "), isWrong ? "`onloadctl doctor pod` says why" : "");
}

/** Names of the node's interfaces that Onload can use, as its plugin says; undefined if it does not. */
export function nicNames({ asked }: NodeFacts): string[] | undefined {
  if (asked === "none" || "problem" in asked) return undefined;
  return asked.value.node?.nics
    .filter(({ driver }) => driver !== undefined && ONLOAD_DRIVERS.has(driver))
    .flatMap(({ interfaces }) => interfaces);
}
