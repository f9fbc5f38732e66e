import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { commonArgs, defineSubcommand, type Lazy, type Subcommand } from "../internal/cli/command.ts";
import { UsageError } from "../internal/cli/errors.ts";
import { VERSION } from "../internal/cli/version.ts";
import { render } from "../internal/manifests/render.ts";

const namespaceArg = {
  namespace: { type: "string", alias: "n", valueHint: "NS", description: "Namespace in place of the manifests' own" },
} as const;

const install = defineSubcommand({
  summary: "Print the CRD, namespace, RBAC and Deployment of the operator",
  args: {
    image: {
      type: "string",
      valueHint: "IMAGE",
      description: "Image of onloadctl, with its tag or digest",
      default: "onloadctl:latest",
    },
    ...namespaceArg,
    ...commonArgs,
  },
  examples: [
    {
      run: "onloadctl manifests install --image=registry.example.com/onloadctl:0.1.0 | kubectl apply --server-side -f -",
      does: "Install or update the operator",
    },
  ],
  async run({ args }) {
    write(render("default", { image: checkedImage(args.image), namespace: checkedNamespace(args.namespace) }));
  },
});

const SAMPLES: Record<string, string> = {
  onload: "An Onload resource with images built before, its namespace and ServiceAccount",
  "in-cluster-build": "The same with kernel modules that are built in the cluster",
  pod: "A pod that uses Onload",
  profiles: "Onload's latency profile as a ConfigMap",
};

const sample = defineSubcommand({
  summary: "Print sample resources to start from",
  description: Object.entries(SAMPLES)
    .map(([name, does]) => `${name}: ${does}`)
    .join("\n\n"),
  args: {
    name: {
      type: "positional",
      required: false,
      default: "onload",
      description: `One of ${Object.keys(SAMPLES).join(", ")}`,
    },
    ...namespaceArg,
    ...commonArgs,
  },
  examples: [{ run: "onloadctl manifests sample > onload.yaml", does: "Start an Onload resource of your own" }],
  async run({ args }) {
    if (!Object.hasOwn(SAMPLES, args.name)) {
      throw new UsageError(`Unknown sample "${args.name}": use one of ${Object.keys(SAMPLES).join(", ")}`);
    }
    write(render(`samples/${args.name}`, { namespace: checkedNamespace(args.namespace) }));
  },
});

const bundleCommand = defineSubcommand({
  summary: "Write an OLM bundle, for a catalogue of the Operator Lifecycle Manager",
  args: {
    output: { type: "string", alias: "o", valueHint: "FOLDER", required: true, description: "Folder to write it to" },
    image: { type: "string", valueHint: "IMAGE", required: true, description: "Image of onloadctl, best by digest" },
    "bundle-version": { type: "string", valueHint: "VERSION", default: VERSION, description: "Version of the bundle" },
    ...commonArgs,
  },
  examples: [
    {
      run: "onloadctl manifests bundle --output=bundle --image=registry.example.com/onloadctl:0.1.0\npodman build -f bundle/bundle.Dockerfile -t registry.example.com/onload-operator-bundle:0.1.0 bundle",
      does: "Make the bundle and its image",
    },
  ],
  async run({ args, log }) {
    const version = args["bundle-version"];
    if (!/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version)) {
      throw new UsageError(`Flag --bundle-version cannot be "${version}": give a version such as 0.1.0`);
    }
    const { bundle } = await import("../internal/manifests/bundle.ts");
    for (const [path, text] of Object.entries(bundle({ image: checkedImage(args.image), version }))) {
      const file = join(args.output, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
      log.info("Wrote a file of the bundle", { file });
    }
  },
});

const manifests: Subcommand = {
  summary: "Print the YAML that installs the operator, and more",
  description: "YAML goes to standard output, for kubectl apply or a repository of your own.",
  examples: [
    {
      run: "onloadctl manifests install --image=registry.example.com/onloadctl:0.1.0 | kubectl apply --server-side -f -",
      does: "Install or update the operator",
    },
    { run: "onloadctl manifests sample > onload.yaml", does: "Start an Onload resource of your own" },
    { run: "onloadctl manifests prometheus | kubectl apply --server-side -f -", does: "Add alerts and a dashboard" },
  ],
  subcommands: {
    install: lazy(install),
    sample: lazy(sample),
    crd: lazy(plain("crd", "Print the CustomResourceDefinition of Onload alone")),
    prometheus: lazy(namespaced("prometheus", "Print monitors, alert rules and a Grafana dashboard")),
    openshift: lazy(plain("openshift", "Print the role that lets a ServiceAccount use OpenShift's privileged SCC")),
    bundle: lazy(bundleCommand),
  },
};

export default manifests;

/** A part of the manifests that has nothing to set. */
function plain(folder: string, summary: string): Subcommand {
  return {
    summary,
    args: { ...commonArgs },
    async run() {
      write(render(folder));
    },
  };
}

/** A part of the manifests that stands in the operator's namespace. */
function namespaced(folder: string, summary: string): Subcommand {
  return defineSubcommand({
    summary,
    args: { ...namespaceArg, ...commonArgs },
    async run({ args }) {
      write(render(folder, { namespace: checkedNamespace(args.namespace) }));
    },
  });
}

function lazy(command: Subcommand<any>): Lazy {
  return { summary: command.summary, load: async () => command };
}

function checkedImage(image: string): string {
  if (!/^[^\s:@/][^\s@]*([:@][^\s/]+)$/.test(image)) {
    throw new UsageError(`Flag --image cannot be "${image}": give an image with its tag or digest`);
  }
  return image;
}

function checkedNamespace(namespace: string | undefined): string | undefined {
  if (namespace !== undefined && !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace)) {
    throw new UsageError(
      `Flag --namespace cannot be "${namespace}": use at most 63 lower-case letters, digits and "-", with a letter or digit at each end`,
    );
  }
  return namespace;
}

function write(yaml: string): void {
  process.stdout.write(yaml);
}
