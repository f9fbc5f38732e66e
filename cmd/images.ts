import { defineSubcommand } from "../internal/cli/command.ts";

export default defineSubcommand({
  summary: "List every image that Onload needs in a cluster, and copy them to another registry",
  description:
    "For clusters whose nodes reach no registry but their own. The images are those of the operator, of KMM, and of each Onload resource: the device plugin's, the user image, and the module images for the kernels of the nodes.",
  examples: [
    { run: "onloadctl images list", does: "What the cluster needs" },
    {
      run: "onloadctl images mirror --to mirror.example.com/onload --dry-run",
      does: "How to bring it into the cluster's own registry",
    },
  ],
  subcommands: {
    list: {
      summary: "List every image that Onload needs in the cluster",
      load: async () => (await import("./images-list.ts")).default,
    },
    mirror: {
      summary: "Copy every image that Onload needs to another registry, by skopeo",
      load: async () => (await import("./images-mirror.ts")).default,
    },
  },
});
