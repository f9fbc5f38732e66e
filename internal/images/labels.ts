/**
 * Labels of Onload's images. The labels under com.amd.onload are set by Onload's own container scripts too, except for
 * the last three, which are ours.
 */
export const LABEL_PRODUCT = "com.amd.onload.product";
export const LABEL_BRAND = "com.amd.onload.brand";
/** ID of the source image that a user or module image was compiled from. */
export const LABEL_SOURCE_IMAGE = "com.amd.onload.source.image.digest";
/** Digest of the source itself. It stays the same if the source image is built anew from the same source. */
export const LABEL_SOURCE = "com.amd.onload.source.digest";
/** The kernel that a module image is for. */
export const LABEL_KERNEL = "com.amd.onload.kernel.version";
/** Digest of everything that an image is built from. A later run compares it to see whether anything has changed. */
export const LABEL_BUILD_KEY = "com.amd.onload.build.key";

export const LABEL_TITLE = "org.opencontainers.image.title";
export const LABEL_DESCRIPTION = "org.opencontainers.image.description";
export const LABEL_VERSION = "org.opencontainers.image.version";
export const LABEL_REVISION = "org.opencontainers.image.revision";
export const LABEL_CREATED = "org.opencontainers.image.created";
export const LABEL_SOURCE_URL = "org.opencontainers.image.source";
export const LABEL_LICENSES = "org.opencontainers.image.licenses";
export const LABEL_BASE_NAME = "org.opencontainers.image.base.name";
