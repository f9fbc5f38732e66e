/** The links of a container from its interfaces to its sockets. Pure. */
import { ONLOAD_DRIVERS } from "../api/names.ts";
import { ACCELERATE_VETH_PARAMETER } from "../api/server-parameters.ts";
import { counted } from "../cli/counted.ts";
import { firstFew } from "../cli/first-few.ts";
import type { ContainerAnswer } from "./answer.ts";
import { leftToKernel } from "./left-to-kernel.ts";
import { linkOf, type Link } from "./links.ts";

/** Types of interfaces that Onload accelerates if what is below them is a NIC of its own. */
const STACKED: ReadonlySet<string> = new Set(["macvlan", "ipvlan", "vlan", "bond"]);
/** Types of interfaces that are no NICs. Of veth, tun and others it is "virtual". */
const NO_NICS: ReadonlySet<string> = new Set([
  "virtual",
  "bridge",
  "vxlan",
  "geneve",
  "wireguard",
  "ppp",
  "wlan",
  "wwan",
]);
const MAX_NAMED = 8;

/** What of a node decides which interfaces Onload takes. Undefined: it is not known. */
export interface NodeInterfaces {
  /** Names of the node's interfaces that Onload can use. */
  nics: readonly string[] | undefined;
  acceleratesVeth: boolean | undefined;
}

export function interfaceLink(container: ContainerAnswer, { nics, acceleratesVeth }: NodeInterfaces): Link {
  const { interfaces, interfacesCut, accelerated } = container;
  const link = linkOf("interface");
  const text = firstFew(interfaces, MAX_NAMED, ({ name, driver }) => `${name} (${driver ?? "driver unknown"})`);
  if (accelerated === true) return link("ok", text === "" ? "Sockets are accelerated" : text);
  if (interfaces.length === 0) return link("unknown", "None was seen yet", "Ask again in 30 s");
  const of = (kinds: ReadonlySet<string>): string[] =>
    interfaces.flatMap(({ name, driver }) => (driver !== undefined && kinds.has(driver) ? [name] : []));
  if (of(ONLOAD_DRIVERS).length > 0) return link("ok", text);
  const known = nics === undefined || nics.length === 0 ? "" : `: ${firstFew(nics, MAX_NAMED)}`;
  const [stacked] = of(STACKED);
  if (stacked !== undefined) {
    return link(
      "unknown",
      `${text}; on which NIC ${stacked} lies cannot be seen from the pod`,
      `Its network's master must be one of the node's interfaces that Onload can use${known}`,
    );
  }
  if (interfaces.some(({ driver }) => driver === undefined)) return link("unknown", text);
  const other = interfaces.find(({ driver }) => !NO_NICS.has(driver!));
  if (other !== undefined) {
    // Onload takes a NIC of any driver that was registered, and reading the file tells nothing (linux_resource/sysfs.c).
    return link(
      "unknown",
      `${text}; whether Onload has ${other.name} by AF_XDP cannot be seen`,
      "If its name was not written to /sys/module/sfc_resource/afxdp/register on the node, attach a NIC that Onload can use: see `onloadctl manifests sample networks`",
    );
  }
  const [veth] = of(new Set(["virtual"]));
  if (acceleratesVeth === true && veth !== undefined) {
    // The kernel says of no interface that it is a veth, nor where its other end is (linux_onload/cplane.c).
    return link(
      "unknown",
      `${text}; ${ACCELERATE_VETH_PARAMETER} is set, by which Onload takes ${veth} if it is a veth whose other end is in the node's own network`,
      `What goes over it must leave the node by an interface that Onload can use${known}`,
    );
  }
  if (interfacesCut) {
    const todo = known === "" ? "" : `The node's interfaces that Onload can use${known}`;
    return link("unknown", `${text}; not all were looked at`, todo);
  }
  return link(
    "failed",
    `${text}; none is of a NIC that Onload can use`,
    `Attach one: see \`onloadctl manifests sample networks\`. Onload takes veth only with its module's parameter ${ACCELERATE_VETH_PARAMETER}${acceleratesVeth === false ? ", which is off" : ""}`,
  );
}

/** @param hasLibrary whether any process has Onload's library */
export function stacksLink(container: ContainerAnswer, hasLibrary: boolean): Link {
  const { stacks, stackIds, sockets, processes, cut } = container;
  const link = linkOf("stacks");
  if (stacks > 0) {
    const ids = stackIds === undefined ? "" : `: ${firstFew(stackIds, MAX_NAMED)}`;
    return link("ok", `${stacks}${ids}`);
  }
  if (Object.values(processes).every((count) => count === 0)) return link("unknown", "None: no process was seen yet");
  const unreadable = processes["unreadable"] ?? 0;
  if (!hasLibrary && unreadable > 0) {
    const text = counted(unreadable, "process", "processes");
    return link("unknown", `None seen: ${text} cannot be looked into`, "See library");
  }
  if (cut) return link("unknown", "None seen: not everything was looked at", "Ask again in 30 s");
  if (!hasLibrary) return link("failed", "None, because no process has Onload's library");
  if (!sockets.some(({ kind }) => kind !== "loopback")) return link("unknown", "None: no socket has been opened yet");
  const left = leftToKernel(container);
  if (left?.all === true) return link("failed", `None, because of ${left.by}`, left.todo);
  return link(
    "failed",
    "None, although there are sockets",
    "Set EF_NO_FAIL=0 and EF_LOG_VIA_IOCTL=0 in the pod: then the program says why Onload makes none",
  );
}

/** @param hasLibrary whether any process has Onload's library */
export function socketsLink(container: ContainerAnswer, hasLibrary: boolean): Link {
  const link = linkOf("sockets");
  const { cut } = container;
  const left = leftToKernel(container);
  const by = left === undefined ? "" : `, ${left.all ? "" : "some "}because of ${left.by}`;
  const todo = (other: string): string =>
    left === undefined ? other : left.all ? left.todo : `${left.todo}; ${other}`;
  const [onload, kernel] = [socketsText(container, true), socketsText(container, false)];
  const rest = cut ? " (not everything was looked at)" : "";
  if (onload !== "" && kernel === "") return link("ok", `accelerated: ${onload}${rest}`);
  if (onload !== "") {
    return link(
      "warning",
      `accelerated: ${onload}; of the kernel: ${kernel}${by}${rest}`,
      todo("Sockets to addresses behind other interfaces are the kernel's: see `onloadctl stack POD netstat`"),
    );
  }
  if (kernel === "") return link("unknown", `No socket beyond the loopback${rest || " yet"}`);
  if (cut) return link("unknown", `of the kernel: ${kernel}${rest}`, "Ask again in 30 s");
  return link(
    "failed",
    `all of the kernel: ${kernel}${by}`,
    hasLibrary
      ? todo(
          "Bind or route them by an interface that Onload can use; EF_NO_FAIL=0 makes Onload fail instead of falling back",
        )
      : "See library",
  );
}

/** Sockets beyond the loopback that are accelerated, or those that are not: "4 tcp, 1 udp", or "". */
export function socketsText({ sockets }: ContainerAnswer, accelerated: boolean): string {
  return sockets
    .filter((each) => each.accelerated === accelerated && each.kind !== "loopback" && each.count > 0)
    .map(({ kind, count }) => `${count} ${kind}`)
    .join(", ");
}
