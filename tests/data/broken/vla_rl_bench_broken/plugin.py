"""A plugin that cannot be imported: it must be listed as broken and stop nothing."""

raise RuntimeError("this plugin is broken on purpose")
