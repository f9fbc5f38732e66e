// SPDX-License-Identifier: GPL-2.0
/* Stand-in for the sfc_resource module: does nothing. */
#include <linux/module.h>

int sfc_resource_present(void);
int sfc_resource_present(void) { return 1; }
EXPORT_SYMBOL_GPL(sfc_resource_present);

static int __init start(void)
{
	return 0;
}

static void __exit stop(void)
{
}

module_init(start);
module_exit(stop);
MODULE_DESCRIPTION("Stand-in for sfc_resource");
MODULE_LICENSE("GPL");
