// Package imagetest holds what firmware build has made on another machine against what nft makes of the same Spec on this one: the
// images of the folder $FASTPATH_IMAGES, which fastpath-vm bigendian builds and brings, with the loader. It has tests only.
package imagetest
