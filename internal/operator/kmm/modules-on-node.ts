/** Both modules of an Onload resource on one node: what is asked of KMM there, and what KMM says. */
import { asksForLatch, latchLabel, latchOn, OFF, ON } from "../../api/latch.ts";
import { onloadModuleLabel, onloadModuleName, pluginLabel, sfcModuleLabel, sfcModuleName } from "../../api/names.ts";
import type { LatchFacts, ModuleFacts, NodeFacts } from "../rollout/facts.ts";
import { moduleFacts } from "./module-facts.ts";
import type { NodeView, ResourceView } from "../observe/node-facts.ts";

/** Where KMM is not installed. */
const NOTHING: ModuleFacts = {
  present: false,
  ready: undefined,
  since: undefined,
  failure: undefined,
  selector: undefined,
};

/** The facts of both modules. */
export function modulesOn(
  { node, kmmPods: pods, nmc, lastWords }: NodeView,
  { key, modules, kmm }: ResourceView,
): Pick<NodeFacts, "labels" | "latches" | "onload" | "sfc"> {
  const { namespace, name } = key;
  const { labels = {} } = node.metadata;
  const facts = (module: string): ModuleFacts =>
    kmm ? moduleFacts({ kmm, namespace, module, node, pods, nmc, lastWords }) : NOTHING;
  const onload = facts(onloadModuleName(name));
  const sfc = facts(sfcModuleName(name));
  const latch = (moduleName: string, of: "onload" | "sfc", loadedBy: ModuleFacts["selector"]): LatchFacts => {
    const stands = latchOn(labels, namespace, moduleName);
    const module = modules[of];
    return {
      stands,
      asked: module !== undefined && asksForLatch(module),
      holds: loadedBy ? latchLabel(namespace, moduleName) in loadedBy : stands === ON,
    };
  };
  const latches = {
    onload: latch(onloadModuleName(name), "onload", onload.selector),
    sfc: latch(sfcModuleName(name), "sfc", sfc.selector),
  };
  // KMM 2 knows no latch: where it takes over in the middle of an upgrade, the version label counts again.
  const isOff = ({ stands }: LatchFacts): boolean => stands === OFF && !kmm?.nodeModulesConfig;
  return {
    labels: {
      plugin: labels[pluginLabel(key)],
      onload: isOff(latches.onload) ? undefined : labels[onloadModuleLabel(key)],
      sfc: isOff(latches.sfc) ? undefined : labels[sfcModuleLabel(key)],
    },
    latches,
    onload,
    sfc,
  };
}
