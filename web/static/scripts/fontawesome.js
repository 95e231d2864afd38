// In place of the theme's 1.5 MB of icons as pictures: its style sheet has them as letters, too, of a font that pages load anyway.
