// SPDX-License-Identifier: GPL-2.0
/*
 * fastpath_hwsim - a flowtable hardware-offload simulator for tests
 *
 * Network devices without ndo_setup_tc (veth, dummy, bond, ...) are offered to
 * drivers that registered for indirect flow blocks. This module registers and
 * says yes, so that `flags offload` works on them and flows become
 * [HW_OFFLOAD]. Nothing is forwarded by anything but the software path.
 *
 * There is no module_exit on purpose: unregistering while flowtables are bound,
 * and registering a second time after a refusal, are what crashes kernels (see
 * README.md). The module stays until the machine goes.
 *
 * Written for kernels 6.1 to 7.2.
 */
#include <linux/errno.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/netdev_features.h>
#include <linux/netdevice.h>
#include <linux/notifier.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/flow_offload.h>
#include <net/pkt_cls.h>

#define HWSIM_PREFIXES_LEN 128

static char feature[HWSIM_PREFIXES_LEN] = "hw";
module_param_string(feature, feature, sizeof(feature), 0644);
MODULE_PARM_DESC(feature, "comma separated name prefixes of devices that get the feature hw-tc-offload, on, when they appear");

static char refuse[HWSIM_PREFIXES_LEN] = "hwno";
module_param_string(refuse, refuse, sizeof(refuse), 0644);
MODULE_PARM_DESC(refuse, "comma separated name prefixes of devices whose BIND is refused");

static int reject;
module_param(reject, int, 0644);
MODULE_PARM_DESC(reject, "errno that every new rule is refused with, 0 accepts");

static ulong st_pkts, st_bytes;
module_param(st_pkts, ulong, 0644);
MODULE_PARM_DESC(st_pkts, "packets that every STATS call reports as new");
module_param(st_bytes, ulong, 0644);
MODULE_PARM_DESC(st_bytes, "bytes that every STATS call reports as new");

static ulong n_bind, n_unbind, n_refused, n_replace, n_destroy, n_stats, n_rules;
module_param(n_bind, ulong, 0444);
MODULE_PARM_DESC(n_bind, "devices bound to a flowtable so far");
module_param(n_unbind, ulong, 0444);
MODULE_PARM_DESC(n_unbind, "devices unbound so far");
module_param(n_refused, ulong, 0444);
MODULE_PARM_DESC(n_refused, "BIND requests refused so far");
module_param(n_replace, ulong, 0444);
MODULE_PARM_DESC(n_replace, "rules offered to their own device so far, rejected ones included");
module_param(n_destroy, ulong, 0444);
MODULE_PARM_DESC(n_destroy, "rules destroyed by the core so far");
module_param(n_stats, ulong, 0444);
MODULE_PARM_DESC(n_stats, "STATS calls for rules that are held so far");
module_param(n_rules, ulong, 0444);
MODULE_PARM_DESC(n_rules, "rules held now");

/* One device of one flowtable. */
struct hwsim_binding {
	struct net_device *dev;
	struct list_head rules;
};

/* One direction of one flow; the cookie is the core's name for it. */
struct hwsim_rule {
	struct list_head list;
	unsigned long cookie;
};

/* Guards the rules of all bindings and the read-outs. Every callback may sleep. */
static DEFINE_MUTEX(hwsim_lock);

/* The core asks drivers to keep their callbacks on a list of their own. */
static LIST_HEAD(hwsim_block_cbs);

/* Tells whether the name of a device begins with one of the prefixes in a parameter. */
static bool hwsim_named(const struct net_device *dev, const char *prefixes)
{
	const char *p = prefixes;
	bool hit = false;

	kernel_param_lock(THIS_MODULE);
	while (*p && !hit) {
		size_t n = strcspn(p, ",\n");

		hit = n && !strncmp(dev->name, p, n);
		p += n;
		p += strspn(p, ",\n");
	}
	kernel_param_unlock(THIS_MODULE);
	return hit;
}

static struct hwsim_rule *hwsim_find(const struct hwsim_binding *b, unsigned long cookie)
{
	struct hwsim_rule *r;

	list_for_each_entry(r, &b->rules, list)
		if (r->cookie == cookie)
			return r;
	return NULL;
}

/*
 * The core offers every rule to every device of the flowtable. Like a real
 * driver, a device takes only what enters through itself; otherwise statistics
 * would be summed twice.
 */
static bool hwsim_is_own_rule(const struct hwsim_binding *b, struct flow_cls_offload *f)
{
	struct flow_rule *rule = flow_cls_offload_flow_rule(f);
	struct flow_match_meta m;

	if (!flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_META))
		return false;
	flow_rule_match_meta(rule, &m);
	return m.key->ingress_ifindex == b->dev->ifindex;
}

static int hwsim_replace(struct hwsim_binding *b, struct flow_cls_offload *f)
{
	struct hwsim_rule *r;

	if (!hwsim_is_own_rule(b, f))
		return -EOPNOTSUPP;
	n_replace++;
	if (reject)
		return -abs(reject);
	if (hwsim_find(b, f->cookie))
		return 0;
	r = kzalloc(sizeof(*r), GFP_KERNEL);
	if (!r)
		return -ENOMEM;
	r->cookie = f->cookie;
	list_add(&r->list, &b->rules);
	n_rules++;
	return 0;
}

static int hwsim_destroy(struct hwsim_binding *b, struct flow_cls_offload *f)
{
	struct hwsim_rule *r = hwsim_find(b, f->cookie);

	if (!r)
		return -ENOENT;
	list_del(&r->list);
	kfree(r);
	n_rules--;
	n_destroy++;
	return 0;
}

static int hwsim_stats(struct hwsim_binding *b, struct flow_cls_offload *f)
{
	if (!hwsim_find(b, f->cookie))
		return -ENOENT;
	n_stats++;
	if (st_pkts || st_bytes)
		flow_stats_update(&f->stats, st_bytes, st_pkts, 0, jiffies,
				  FLOW_ACTION_HW_STATS_DELAYED);
	return 0;
}

static int hwsim_rule_cb(enum tc_setup_type type, void *type_data, void *cb_priv)
{
	struct flow_cls_offload *f = type_data;
	struct hwsim_binding *b = cb_priv;
	int err;

	if (type != TC_SETUP_CLSFLOWER)
		return -EOPNOTSUPP;
	mutex_lock(&hwsim_lock);
	switch (f->command) {
	case FLOW_CLS_REPLACE:
		err = hwsim_replace(b, f);
		break;
	case FLOW_CLS_DESTROY:
		err = hwsim_destroy(b, f);
		break;
	case FLOW_CLS_STATS:
		err = hwsim_stats(b, f);
		break;
	default:
		err = -EOPNOTSUPP;
	}
	mutex_unlock(&hwsim_lock);
	return err;
}

/* Called when the core frees the block callback: after UNBIND no DESTROY comes. */
static void hwsim_release(void *cb_priv)
{
	struct hwsim_binding *b = cb_priv;
	struct hwsim_rule *r, *next;

	mutex_lock(&hwsim_lock);
	list_for_each_entry_safe(r, next, &b->rules, list) {
		kfree(r);
		n_rules--;
	}
	mutex_unlock(&hwsim_lock);
	kfree(b);
}

static int hwsim_bind(struct net_device *dev, struct Qdisc *sch, void *indr_priv,
		      struct flow_block_offload *bo, void *data,
		      void (*cleanup)(struct flow_block_cb *block_cb))
{
	struct flow_block_cb *block_cb;
	struct hwsim_binding *b;

	if (hwsim_named(dev, refuse)) {
		n_refused++;
		return -EOPNOTSUPP;
	}
	b = kzalloc(sizeof(*b), GFP_KERNEL);
	if (!b)
		return -ENOMEM;
	b->dev = dev;
	INIT_LIST_HEAD(&b->rules);
	block_cb = flow_indr_block_cb_alloc(hwsim_rule_cb, dev, b, hwsim_release,
					    bo, dev, sch, data, indr_priv, cleanup);
	if (IS_ERR(block_cb)) {
		kfree(b);
		return PTR_ERR(block_cb);
	}
	flow_block_cb_add(block_cb, bo);
	list_add_tail(&block_cb->driver_list, &hwsim_block_cbs);
	n_bind++;
	return 0;
}

static int hwsim_unbind(struct net_device *dev, struct flow_block_offload *bo)
{
	struct flow_block_cb *block_cb;

	block_cb = flow_block_cb_lookup(bo->block, hwsim_rule_cb, dev);
	if (!block_cb)
		return -ENOENT;
	flow_indr_block_cb_remove(block_cb, bo);
	list_del(&block_cb->driver_list);
	n_unbind++;
	return 0;
}

/* The core holds its own mutex around this: BIND and UNBIND never run in parallel. */
static int hwsim_indr_cb(struct net_device *dev, struct Qdisc *sch, void *indr_priv,
			 enum tc_setup_type type, void *type_data, void *data,
			 void (*cleanup)(struct flow_block_cb *block_cb))
{
	struct flow_block_offload *bo = type_data;

	if (!dev || type != TC_SETUP_FT)
		return -EOPNOTSUPP;
	bo->driver_block_list = &hwsim_block_cbs;
	switch (bo->command) {
	case FLOW_BLOCK_BIND:
		return hwsim_bind(dev, sch, indr_priv, bo, data, cleanup);
	case FLOW_BLOCK_UNBIND:
		return hwsim_unbind(dev, bo);
	default:
		return -EOPNOTSUPP;
	}
}

/*
 * What a driver with hw-tc-offload does before it registers its device. The
 * core announces new devices, those that come from another namespace or get
 * another name, and, once, those that were there before this module, all with
 * the RTNL held. A device has the feature once: what `ethtool -K` made of it
 * stays.
 */
static int hwsim_netdev_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);

	if (event != NETDEV_REGISTER && event != NETDEV_CHANGENAME)
		return NOTIFY_DONE;
	if ((dev->hw_features & NETIF_F_HW_TC) || !hwsim_named(dev, feature))
		return NOTIFY_DONE;
	dev->hw_features |= NETIF_F_HW_TC;
	dev->wanted_features |= NETIF_F_HW_TC;
	dev->features |= NETIF_F_HW_TC;
	return NOTIFY_OK;
}

static struct notifier_block hwsim_netdev_nb = {
	.notifier_call = hwsim_netdev_event,
};

static int __init hwsim_init(void)
{
	int err = register_netdevice_notifier(&hwsim_netdev_nb);

	if (err)
		return err;
	err = flow_indr_dev_register(hwsim_indr_cb, NULL);
	if (err)
		unregister_netdevice_notifier(&hwsim_netdev_nb);
	return err;
}
module_init(hwsim_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("flowtable hardware-offload simulator for tests");
