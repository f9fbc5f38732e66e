# onloadctl itself: operator, device plugin and tools. The base needs glibc and nothing else.
# The build context holds the executable and the licences of what is in it.
ARG ONLOADCTL_BASE=registry.access.redhat.com/ubi9/ubi-micro

FROM ${ONLOADCTL_BASE}
COPY onloadctl /usr/bin/onloadctl
COPY THIRD-PARTY /licenses/THIRD-PARTY
USER 65532:65532
ENTRYPOINT ["/usr/bin/onloadctl"]
