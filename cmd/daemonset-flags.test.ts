import { describe, expect, test } from "bun:test";
import type { Subcommand } from "../internal/cli/command.ts";
import { parseArguments } from "../internal/cli/parse-arguments.ts";
import { withDefaults } from "../internal/api/onload.ts";
import { desiredDaemonSet } from "../internal/operator/desired/daemonset.ts";
import controlPlane from "./control-plane.ts";
import devicePlugin from "./device-plugin.ts";

// The operator writes the command lines of other subcommands, but imports none of them.
describe("every container of the DaemonSet is started with flags that its subcommand knows", () => {
  const onload = withDefaults({
    apiVersion: "onload.amd.com/v1alpha1",
    kind: "Onload",
    metadata: { namespace: "onload-runtime", name: "onload", uid: "u-1" },
    spec: {
      selector: { a: "b" },
      serviceAccountName: "sa",
      onload: { kernelMappings: [], userImage: "u:1", version: "1", controlPlane: { parameters: ["-K", "--log"] } },
    },
  });
  const { initContainers, containers } = desiredDaemonSet(onload, "image").spec.template.spec as Record<
    "initContainers" | "containers",
    { name: string; args: string[] }[]
  >;
  const all = [...initContainers, ...containers];
  const commands: Record<string, Subcommand<any>> = { "device-plugin": devicePlugin, "control-plane": controlPlane };

  for (const { name, args } of all) {
    test(name, async () => {
      let command = commands[args[0]!]!;
      let flags = args.slice(1);
      const child = command.subcommands?.[flags[0]!];
      if (child) {
        command = await child.load();
        flags = flags.slice(1);
      }
      const values = parseArguments(flags, command.args);
      expect(values).not.toEqual({});
      if (name === "onload-worker") expect(values["parameters"]).toBe("-K --log");
    });
  }
});
