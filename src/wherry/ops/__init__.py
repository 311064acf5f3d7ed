"""Floor 3: verbs over one or two stores."""
