"""Prints everything that can be told of the files below a directory.  usage: tree.py DIR"""
import hashlib, os, stat, sys


def content(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while piece := f.read(1 << 20):
            h.update(piece)
    return h.hexdigest()


def tell(root, path, groups):
    s = os.lstat(path)
    kind = stat.S_IFMT(s.st_mode)
    attrs = sorted(os.listxattr(path, follow_symlinks=False))
    more = [f"{a}={os.getxattr(path, a, follow_symlinks=False).hex()}" for a in attrs]
    if kind == stat.S_IFLNK:
        more.append("-> " + repr(os.readlink(path)))
    elif kind == stat.S_IFREG:
        more.append(f"{s.st_size} {content(path)}")
        if s.st_nlink > 1:
            # The first name of the same file.
            more.append("= " + repr(groups.setdefault(s.st_ino, os.path.relpath(path, root))))
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        more.append(f"{os.major(s.st_rdev)}:{os.minor(s.st_rdev)}")
    name = os.path.relpath(path, root)
    print(f"{name!r} {s.st_mode:o} {s.st_uid}:{s.st_gid} {s.st_mtime_ns}", *more)


def main(root):
    groups = {}
    tell(root, root, groups)
    for place, dirs, files in os.walk(root):
        dirs.sort()
        for name in sorted(dirs + files):
            tell(root, os.path.join(place, name), groups)


main(os.fsencode(sys.argv[1]).decode("utf-8", "surrogateescape"))
