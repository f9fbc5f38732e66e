import { clusterArgs, commonArgs, defineSubcommand, type Args, type Context } from "../internal/cli/command.ts";
import { UsageError } from "../internal/cli/errors.ts";
import { printData } from "../internal/cli/output.ts";
import { checkInputs, checkName, DEFAULT_NAME, DEFAULT_ROLE, type Inputs } from "../internal/machineconfig/inputs.ts";
import { machineConfig } from "../internal/machineconfig/machine-config.ts";
import { KERNEL_VARIABLE } from "../internal/machineconfig/module-image.ts";
import { writeRendered } from "../internal/machineconfig/output.ts";
import { render } from "../internal/machineconfig/render.ts";
import { DEFAULT_OPENSHIFT_VERSION } from "../internal/machineconfig/versions.ts";

const args = {
  "module-image": {
    type: "string",
    valueHint: "IMAGE",
    description: `Onload module image with a tag or digest; each node replaces ${KERNEL_VARIABLE} by its kernel version`,
  },
  "openshift-version": {
    type: "string",
    valueHint: "VERSION",
    default: DEFAULT_OPENSHIFT_VERSION,
    description: "OpenShift version; the default suits 4.10 to 4.13",
  },
  role: { type: "string", valueHint: "ROLE", default: DEFAULT_ROLE, description: "Role of the nodes" },
  name: { type: "string", valueHint: "NAME", default: DEFAULT_NAME, description: "Name of the MachineConfig" },
  format: {
    type: "enum",
    options: ["machineconfig", "butane", "ignition"],
    default: "machineconfig",
    description: "What to print",
  },
  output: {
    type: "string",
    alias: "o",
    valueHint: "FILE",
    description: "Write to FILE; with --format=butane, the scripts that it refers to go beside it",
  },
  force: { type: "boolean", description: "Replace regular files that exist" },
  apply: { type: "boolean", description: "Apply the MachineConfig; OpenShift then reboots the nodes one by one" },
  delete: { type: "boolean", description: "Delete the MachineConfig; OpenShift then reboots the nodes one by one" },
  "dry-run": {
    type: "enum",
    options: ["server"],
    description: "With --apply or --delete: the API server only checks the change",
  },
  ...clusterArgs,
  ...commonArgs,
} as const satisfies Args;

type Run = Context<typeof args>;

export default defineSubcommand({
  summary: "Print the MachineConfig that loads the sfc driver at boot.",
  description: [
    "For OpenShift nodes whose Solarflare NICs carry the node's own traffic. At boot, before the network comes up, a node",
    "replaces the kernel's own sfc driver by that of the module image. After any failure it loads the kernel's own driver",
    "again. If the image is not on the node, the node pulls it and reboots once. The outcome is in the journal and in",
    "/var/lib/onload/sfc-boot-status.json on the node.",
  ].join("\n"),
  args,
  examples: [
    {
      run: `onloadctl gen-machineconfig --module-image='registry.example.com/onload-module:v9.0-${KERNEL_VARIABLE}'`,
      does: "Print a MachineConfig for OpenShift 4.10 to 4.13",
    },
    {
      run: `onloadctl gen-machineconfig --module-image='registry.example.com/onload-module:v9.0-${KERNEL_VARIABLE}' \\\n  --openshift-version=4.14.0 --apply`,
      does: "Apply one to an OpenShift 4.14 cluster",
    },
    {
      run: `onloadctl gen-machineconfig --module-image=registry.example.com/onload-module:v9.0 --format=butane -o sfc.bu`,
      does: "Write a Butane file and its scripts; then: butane --files-dir . sfc.bu",
    },
    { run: "onloadctl gen-machineconfig --delete", does: "Let the nodes use the kernel's own driver again" },
  ],
  run,
});

async function run(context: Run): Promise<void> {
  const { args: flags } = context;
  checkCombination(flags);
  if (flags.delete) return remove(context);
  const inputs = checkInputs({
    moduleImage: flags["module-image"],
    openshiftVersion: flags["openshift-version"],
    role: flags.role,
    name: flags.name,
  });
  if (flags.apply) await apply(context, inputs);
  else await print(flags, inputs);
  advise(context, inputs);
}

function checkCombination(flags: Run["args"]): void {
  const changes = flags.apply || flags.delete;
  if (flags.apply && flags.delete) throw new UsageError("Flags --apply and --delete are mutually exclusive: give one");
  if (flags["dry-run"] && !changes) throw new UsageError("Flag --dry-run needs --apply or --delete");
  if (changes && flags.output) throw new UsageError("Flag --output cannot go with --apply or --delete: leave one out");
  if (changes && flags.format !== "machineconfig") {
    throw new UsageError(`Flag --format cannot be "${flags.format}" with --apply or --delete: only machineconfig can`);
  }
  if (flags.output === "") throw new UsageError("Flag --output is empty: give the name of a file");
  if (flags.force && !flags.output) throw new UsageError("Flag --force needs --output");
}

async function print(flags: Run["args"], inputs: Inputs): Promise<void> {
  const toFile = flags.output !== undefined && flags.output !== "-";
  const rendered = render(inputs, flags.format, toFile);
  if (toFile) await writeRendered(flags.output!, rendered, flags.force === true);
  else printData(rendered.text);
}

async function apply({ args: flags, signal, log }: Run, inputs: Inputs): Promise<void> {
  const { client, cluster, pools } = await connectCluster(flags);
  const dryRun = flags["dry-run"] === "server";
  const config = machineConfig(inputs);
  await cluster.applyMachineConfig(client, config, { dryRun, signal });
  log.info(dryRun ? "Checked MachineConfig; nothing changed" : "Applied MachineConfig", { name: inputs.name });
  try {
    const problem = await pools.reachProblem(client, config, signal);
    if (problem !== undefined) log.warn(problem);
  } catch (error) {
    signal.throwIfAborted();
    log.warn("Whether a MachineConfigPool takes it is unknown", { error });
  }
}

async function remove({ args: flags, signal, log }: Run): Promise<void> {
  checkName(flags.name);
  const { client, cluster } = await connectCluster(flags);
  const dryRun = flags["dry-run"] === "server";
  const found = await cluster.deleteMachineConfig(client, flags.name, { dryRun, signal });
  if (!found) log.info("Found no MachineConfig to delete", { name: flags.name });
  else log.info(dryRun ? "Checked deletion; nothing changed" : "Deleted MachineConfig", { name: flags.name });
}

/** Loaded only here: printing must not load the API client. */
async function connectCluster(flags: Run["args"]) {
  const [{ connectAsPerson }, cluster, pools] = await Promise.all([
    import("./shared/connect.ts"),
    import("../internal/machineconfig/cluster.ts"),
    import("../internal/machineconfig/pools.ts"),
  ]);
  const client = await connectAsPerson(flags);
  return { client, cluster, pools };
}

/** Warns about what the output alone does not show. */
function advise({ log }: Run, { moduleImage, target, role }: Inputs): void {
  if (target.note) log.warn(target.note);
  if (!moduleImage.includes(KERNEL_VARIABLE)) {
    log.warn(
      `The image serves one kernel: after a cluster upgrade the nodes stay on the kernel's own driver. With ${KERNEL_VARIABLE} in its tag each kernel finds its own image`,
      { image: moduleImage },
    );
  }
  log.info(
    "On these nodes the boot service owns the sfc driver: leave sfc out of spec.onload.kernelMappings of their Onload resource",
    { role },
  );
}
