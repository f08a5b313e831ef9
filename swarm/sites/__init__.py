"""This node's part in a site: keys and memberships on disk, who is let in, who is put out, who may link."""
