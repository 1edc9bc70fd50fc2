"""The names of URL parameters that say where a reader came from, not what they read. Lower case, by what web statistics and outlets use."""

TRACKING_PREFIXES = (
    "utm_",
    "utm-",
    "mtm_",
    "pk_",
    "piwik_",
    "matomo_",
    "hsa_",
    "oly_",
    "vero_",
    "fb_",
    "ga_",
    "_hs",
    "at_",
    "wt_",
    "wt.",
    "spot_im_",
)
_TRACKING = """
__hsfp __hssc __hstc __s __tn__ __twitter_impression _branch_match_id _ga _gl _hsenc _hsmi _ke _kx _openstat algo_pvid amp_gsa
amp_js_v amp_r amp_tf arc404 assettype at_campaign at_medium clicksource cmp cmpid cndid contentcollection contentplacement dclid
dicbo doing_wp_cron ef_id esrc fbclid feed_item_type feedname feedtype from_source fromsource ftag gbraid gclid gclsrc gs_lcrp
guccounter guce_referrer guce_referrer_sig gwh gwt hsctatracking icid igsh igshid intcid intcmp isappinstalled ito li_fat_id mbid
mc_cid mc_eid mkcid mkt_tok mktcid msclkid mtrref ncid nsukey ocid origin_referrer outfit outputtype partner pgtype pvid
rb_clickid ref_src ref_url referer referrer rref s_cid s_kwcid sh_kit share_id sharefrom sharetype smid smtyp soc_src soc_trk
socialshare spm sr_share sref taid trk trkcampaign trkinfo ttclid twclid usqp vgo_ee wbraid wickedid wpisrc wpmm wprss xtor xtref
yclid ysclid zanpid
"""
TRACKING = frozenset(_TRACKING.split())
"""Dropped wherever they stand."""

_AMBIGUOUS = """
_r action app campaign cid clickid csp feature from hp hpt il medium mod module nocache origin ref region rnd share source sp src
tag via
"""
AMBIGUOUS = frozenset(_AMBIGUOUS.split())
"""Mostly tracking, but a site may name an article by them: dropped where the path names one already and the value looks like no id."""
