import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { VERSION } from "../internal/cli/version.ts";
import { chart } from "../internal/manifests/helm/chart.ts";
import { imageFlag, versionFlag, writeFiles } from "./shared/manifests.ts";

export default defineSubcommand({
  summary: "Write a Helm chart that installs the operator",
  description:
    "Its objects are those of `manifests install`; its values.yaml says what can be set.\n\nBefore you remove the release, run `onloadctl uninstall`: only the operator can clean the nodes.",
  args: {
    output: { type: "string", alias: "o", valueHint: "FOLDER", required: true, description: "Folder to write it to" },
    image: {
      type: "string",
      valueHint: "IMAGE",
      description: "Image of onloadctl as the chart's default, best by digest (default: image.repository must be set)",
    },
    "chart-version": { type: "string", valueHint: "VERSION", default: VERSION, description: "Version of the chart" },
    ...commonArgs,
  },
  examples: [
    {
      run: "onloadctl manifests helm --output=onload-operator --image=registry.example.com/onloadctl:0.1.0\nhelm install onload-operator ./onload-operator --namespace=onload-operator-system --create-namespace",
      does: "Install the operator with Helm",
    },
    {
      run: "onloadctl manifests helm --output=onload-operator --image=registry.example.com/onloadctl:0.1.0\nhelm package onload-operator\nhelm push onload-operator-0.1.0.tgz oci://registry.example.com/charts",
      does: "Put the chart into a registry",
    },
  ],
  async run({ args, log }) {
    const version = versionFlag("chart-version", args["chart-version"]);
    const image = args.image === undefined ? "" : imageFlag("image", args.image);
    if (image === "") {
      log.warn(
        "The chart names no image: give --image here, or set image.repository and image.tag when you install it",
      );
    }
    await writeFiles(args.output, chart({ image, version, appVersion: VERSION }), "chart", log);
  },
});
